# Answers to week 4 that its graders must tell apart. Each cell replaces the student's cell of that name.


# %% wrong output_size: the kernel dilated by d·k instead of d·(k − 1) + 1
def output_size(size, kernel, stride=1, padding=0, dilation=1):
    if size + 2 * padding - dilation * (kernel - 1) - 1 < 0:
        raise ValueError("the kernel does not fit")
    return (size + 2 * padding - dilation * kernel) // stride + 1


# %% wrong output_size: ignores dilation
def output_size(size, kernel, stride=1, padding=0, dilation=1):
    if size + 2 * padding - dilation * (kernel - 1) - 1 < 0:
        raise ValueError("the kernel does not fit")
    return (size + 2 * padding - kernel) // stride + 1


# %% wrong output_size: padding counted once
def output_size(size, kernel, stride=1, padding=0, dilation=1):
    if size + 2 * padding - dilation * (kernel - 1) - 1 < 0:
        raise ValueError("the kernel does not fit")
    return (size + padding - dilation * (kernel - 1) - 1) // stride + 1


# %% wrong output_size: rounds up, as if leftover pixels made a place
def output_size(size, kernel, stride=1, padding=0, dilation=1):
    if size + 2 * padding - dilation * (kernel - 1) - 1 < 0:
        raise ValueError("the kernel does not fit")
    return -(-(size + 2 * padding - dilation * (kernel - 1) - 1) // stride) + 1


# %% wrong output_size: divides before subtracting, right for even sizes
def output_size(size, kernel, stride=1, padding=0, dilation=1):
    if size + 2 * padding - dilation * (kernel - 1) - 1 < 0:
        raise ValueError("the kernel does not fit")
    return (size + 2 * padding) // stride - (dilation * (kernel - 1) + 1 - stride) // stride if stride > 1 else size + 2 * padding - dilation * (kernel - 1)


# %% wrong output_size: no error when the kernel does not fit, but 0
def output_size(size, kernel, stride=1, padding=0, dilation=1):
    return max(0, (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1)


# %% wrong output_size: compares the undilated kernel when looking for the error
def output_size(size, kernel, stride=1, padding=0, dilation=1):
    if kernel > size + 2 * padding:
        raise ValueError("the kernel does not fit")
    return (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


# %% right output_size: counts the places
def output_size(size, kernel, stride=1, padding=0, dilation=1):
    span = dilation * (kernel - 1) + 1
    places = range(0, size + 2 * padding - span + 1, stride)
    if len(places) == 0:
        raise ValueError(f"no room for the kernel, which spans {span}")
    return len(places)


# %% right output_size: rounds up the number of possible starts
def output_size(size, kernel, stride=1, padding=0, dilation=1):
    starts = size + 2 * padding - dilation * (kernel - 1)
    if starts < 1:
        raise ValueError("kernel larger than the padded image")
    return math.ceil(starts / stride)


# %% wrong conv2d: the kernel is flipped, as in mathematics
def conv2d(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    batch, _, height, width = x.shape
    out, per_group, kh, kw = weight.shape
    rows = output_size(height, kh, stride, padding, dilation)
    columns = output_size(width, kw, stride, padding, dilation)
    padded = F.pad(x, (padding,) * 4)
    split = weight.reshape(groups, out // groups, per_group, kh, kw)
    y = 0
    for u in range(kh):
        for v in range(kw):
            down = slice(u * dilation, u * dilation + stride * (rows - 1) + 1, stride)
            across = slice(v * dilation, v * dilation + stride * (columns - 1) + 1, stride)
            patch = padded[:, :, down, across].reshape(batch, groups, per_group, rows, columns)
            y = y + torch.einsum("bgchw,goc->bgohw", patch, split[..., kh - 1 - u, kw - 1 - v])
    y = y.reshape(batch, out, rows, columns)
    return y if bias is None else y + bias[:, None, None]


# %% wrong conv2d: the kernel is transposed when it is square
def conv2d(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    batch, _, height, width = x.shape
    out, per_group, kh, kw = weight.shape
    rows = output_size(height, kh, stride, padding, dilation)
    columns = output_size(width, kw, stride, padding, dilation)
    padded = F.pad(x, (padding,) * 4)
    split = weight.reshape(groups, out // groups, per_group, kh, kw)
    y = 0
    for u in range(kh):
        for v in range(kw):
            down = slice(u * dilation, u * dilation + stride * (rows - 1) + 1, stride)
            across = slice(v * dilation, v * dilation + stride * (columns - 1) + 1, stride)
            patch = padded[:, :, down, across].reshape(batch, groups, per_group, rows, columns)
            y = y + torch.einsum("bgchw,goc->bgohw", patch, split[..., v, u] if kh == kw else split[..., u, v])
    y = y.reshape(batch, out, rows, columns)
    return y if bias is None else y + bias[:, None, None]


# %% wrong conv2d: padding repeats the border instead of zeros
def conv2d(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    batch, _, height, width = x.shape
    out, per_group, kh, kw = weight.shape
    rows = output_size(height, kh, stride, padding, dilation)
    columns = output_size(width, kw, stride, padding, dilation)
    padded = F.pad(x, (padding,) * 4, mode="replicate")
    split = weight.reshape(groups, out // groups, per_group, kh, kw)
    y = 0
    for u in range(kh):
        for v in range(kw):
            down = slice(u * dilation, u * dilation + stride * (rows - 1) + 1, stride)
            across = slice(v * dilation, v * dilation + stride * (columns - 1) + 1, stride)
            patch = padded[:, :, down, across].reshape(batch, groups, per_group, rows, columns)
            y = y + torch.einsum("bgchw,goc->bgohw", patch, split[..., u, v])
    y = y.reshape(batch, out, rows, columns)
    return y if bias is None else y + bias[:, None, None]


# %% wrong conv2d: dilation shapes the output but not the kernel
def conv2d(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    batch, _, height, width = x.shape
    out, per_group, kh, kw = weight.shape
    rows = output_size(height, kh, stride, padding, dilation)
    columns = output_size(width, kw, stride, padding, dilation)
    padded = F.pad(x, (padding,) * 4)
    split = weight.reshape(groups, out // groups, per_group, kh, kw)
    y = 0
    for u in range(kh):
        for v in range(kw):
            down = slice(u * 1, u * 1 + stride * (rows - 1) + 1, stride)
            across = slice(v * 1, v * 1 + stride * (columns - 1) + 1, stride)
            patch = padded[:, :, down, across].reshape(batch, groups, per_group, rows, columns)
            y = y + torch.einsum("bgchw,goc->bgohw", patch, split[..., u, v])
    y = y.reshape(batch, out, rows, columns)
    return y if bias is None else y + bias[:, None, None]


# %% wrong conv2d: forgets the bias
def conv2d(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    batch, _, height, width = x.shape
    out, per_group, kh, kw = weight.shape
    rows = output_size(height, kh, stride, padding, dilation)
    columns = output_size(width, kw, stride, padding, dilation)
    padded = F.pad(x, (padding,) * 4)
    split = weight.reshape(groups, out // groups, per_group, kh, kw)
    y = 0
    for u in range(kh):
        for v in range(kw):
            down = slice(u * dilation, u * dilation + stride * (rows - 1) + 1, stride)
            across = slice(v * dilation, v * dilation + stride * (columns - 1) + 1, stride)
            patch = padded[:, :, down, across].reshape(batch, groups, per_group, rows, columns)
            y = y + torch.einsum("bgchw,goc->bgohw", patch, split[..., u, v])
    y = y.reshape(batch, out, rows, columns)
    return y


# %% wrong conv2d: channels of a group are interleaved
def conv2d(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    batch, _, height, width = x.shape
    out, per_group, kh, kw = weight.shape
    rows = output_size(height, kh, stride, padding, dilation)
    columns = output_size(width, kw, stride, padding, dilation)
    padded = F.pad(x, (padding,) * 4)
    split = weight.reshape(groups, out // groups, per_group, kh, kw)
    y = 0
    for u in range(kh):
        for v in range(kw):
            down = slice(u * dilation, u * dilation + stride * (rows - 1) + 1, stride)
            across = slice(v * dilation, v * dilation + stride * (columns - 1) + 1, stride)
            patch = padded[:, :, down, across].reshape(batch, per_group, groups, rows, columns).transpose(1, 2)
            y = y + torch.einsum("bgchw,goc->bgohw", patch, split[..., u, v])
    y = y.reshape(batch, out, rows, columns)
    return y if bias is None else y + bias[:, None, None]


# %% wrong conv2d: output channels of the groups come out interleaved
def conv2d(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    batch, _, height, width = x.shape
    out, per_group, kh, kw = weight.shape
    rows = output_size(height, kh, stride, padding, dilation)
    columns = output_size(width, kw, stride, padding, dilation)
    padded = F.pad(x, (padding,) * 4)
    split = weight.reshape(groups, out // groups, per_group, kh, kw)
    y = 0
    for u in range(kh):
        for v in range(kw):
            down = slice(u * dilation, u * dilation + stride * (rows - 1) + 1, stride)
            across = slice(v * dilation, v * dilation + stride * (columns - 1) + 1, stride)
            patch = padded[:, :, down, across].reshape(batch, groups, per_group, rows, columns)
            y = y + torch.einsum("bgchw,goc->bgohw", patch, split[..., u, v])
    y = y.transpose(1, 2).reshape(batch, out, rows, columns)
    return y if bias is None else y + bias[:, None, None]


# %% wrong conv2d: the weight is cut from the graph and never learns
def conv2d(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    batch, _, height, width = x.shape
    out, per_group, kh, kw = weight.shape
    weight = weight.detach()
    rows = output_size(height, kh, stride, padding, dilation)
    columns = output_size(width, kw, stride, padding, dilation)
    padded = F.pad(x, (padding,) * 4)
    split = weight.reshape(groups, out // groups, per_group, kh, kw)
    y = 0
    for u in range(kh):
        for v in range(kw):
            down = slice(u * dilation, u * dilation + stride * (rows - 1) + 1, stride)
            across = slice(v * dilation, v * dilation + stride * (columns - 1) + 1, stride)
            patch = padded[:, :, down, across].reshape(batch, groups, per_group, rows, columns)
            y = y + torch.einsum("bgchw,goc->bgohw", patch, split[..., u, v])
    y = y.reshape(batch, out, rows, columns)
    return y if bias is None else y + bias[:, None, None]


# %% wrong conv2d: the stride takes the last places instead of the first
def conv2d(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    span_h, span_w = dilation * (weight.shape[2] - 1) + 1, dilation * (weight.shape[3] - 1) + 1
    crop_h = (x.shape[2] + 2 * padding - span_h) % stride
    crop_w = (x.shape[3] + 2 * padding - span_w) % stride
    padded = F.pad(x, (padding,) * 4)[:, :, crop_h:, crop_w:]
    rows, columns = (padded.shape[2] - span_h) // stride + 1, (padded.shape[3] - span_w) // stride + 1
    patches = F.unfold(
        padded.reshape(-1, weight.shape[1], *padded.shape[2:]), weight.shape[2:], dilation=dilation, stride=stride
    )
    patches = patches.reshape(len(x), groups, -1, rows * columns)
    y = torch.einsum("bgkl,gok->bgol", patches, weight.reshape(groups, weight.shape[0] // groups, -1))
    y = y.reshape(len(x), -1, rows, columns)
    return y if bias is None else y + bias[:, None, None]


# %% right conv2d: unfold and one matrix product
def conv2d(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    rows = output_size(x.shape[2], weight.shape[2], stride, padding, dilation)
    columns = output_size(x.shape[3], weight.shape[3], stride, padding, dilation)
    patches = F.unfold(x, weight.shape[2:], dilation=dilation, padding=padding, stride=stride)  # (B, C·kh·kw, L)
    patches = patches.unflatten(1, (groups, -1))
    y = weight.flatten(1).unflatten(0, (groups, -1)) @ patches  # (B, g, O/g, L)
    y = y.flatten(1, 2).unflatten(2, (rows, columns))
    return y if bias is None else y + bias.reshape(1, -1, 1, 1)


# %% right conv2d: a strided view of all patches, group by group
def conv2d(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    padded = F.pad(x, (padding,) * 4)
    (_, _, height, width), (out, per, kh, kw) = padded.shape, weight.shape
    results = []
    for part, kernels in zip(padded.split(per, dim=1), weight.split(out // groups)):
        windows = part.unfold(2, dilation * (kh - 1) + 1, stride).unfold(3, dilation * (kw - 1) + 1, stride)
        windows = windows[..., ::dilation, ::dilation]  # (B, C/g, H', W', kh, kw)
        results.append(torch.tensordot(windows, kernels, dims=([1, 4, 5], [1, 2, 3])).permute(0, 3, 1, 2))
    y = torch.cat(results, dim=1)
    return y if bias is None else y + bias[None, :, None, None]


# %% wrong max_pool: pads with zeros, which win over negative numbers
def max_pool2d(x, kernel=2, stride=None, padding=0):
    stride = stride or kernel
    padded = F.pad(x, (padding,) * 4)
    return padded.unfold(2, kernel, stride).unfold(3, kernel, stride).amax(dim=(-2, -1))


# %% wrong max_pool: the stride is 1 unless given
def max_pool2d(x, kernel=2, stride=None, padding=0):
    stride = stride or 1
    padded = F.pad(x, (padding,) * 4, value=-math.inf)
    return padded.unfold(2, kernel, stride).unfold(3, kernel, stride).amax(dim=(-2, -1))


# %% wrong max_pool: the mean
def max_pool2d(x, kernel=2, stride=None, padding=0):
    stride = stride or kernel
    padded = F.pad(x, (padding,) * 4, value=-math.inf)
    return padded.unfold(2, kernel, stride).unfold(3, kernel, stride).mean(dim=(-2, -1))


# %% wrong max_pool: the stride is ignored
def max_pool2d(x, kernel=2, stride=None, padding=0):
    padded = F.pad(x, (padding,) * 4, value=-math.inf)
    y = padded.unfold(2, kernel, 1).unfold(3, kernel, 1).amax(dim=(-2, -1))
    return y[..., ::kernel, ::kernel] if stride != 1 else y


# %% wrong max_pool: cut from the graph
def max_pool2d(x, kernel=2, stride=None, padding=0):
    stride = stride or kernel
    padded = F.pad(x.detach(), (padding,) * 4, value=-math.inf)
    return padded.unfold(2, kernel, stride).unfold(3, kernel, stride).amax(dim=(-2, -1))


# %% wrong max_pool: the largest absolute value
def max_pool2d(x, kernel=2, stride=None, padding=0):
    stride = stride or kernel
    padded = F.pad(x, (padding,) * 4)
    windows = padded.unfold(2, kernel, stride).unfold(3, kernel, stride).flatten(-2)
    return windows.gather(-1, windows.abs().argmax(dim=-1, keepdim=True))[..., 0]


# %% right max_pool: a running maximum over the kernel's positions
def max_pool2d(x, kernel=2, stride=None, padding=0):
    stride = kernel if stride is None else stride
    rows, columns = ((n + 2 * padding - kernel) // stride + 1 for n in x.shape[2:])
    padded = F.pad(x, (padding,) * 4, value=torch.finfo(x.dtype).min)
    best = None
    for u in range(kernel):
        for v in range(kernel):
            seen = padded[:, :, u : u + stride * (rows - 1) + 1 : stride, v : v + stride * (columns - 1) + 1 : stride]
            best = seen if best is None else torch.maximum(best, seen)
    return best


# %% wrong batch_norm: uses the batch's statistics in evaluation too
class BatchNorm2d(nn.Module):
    def __init__(self, channels, eps=1e-5, momentum=0.1):
        super().__init__()
        self.eps, self.momentum = eps, momentum
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x):
        if True:
            n = x.numel() // x.shape[1]
            if n == 1:
                raise ValueError("one number a channel")
            mean, var = x.mean(dim=(0, 2, 3)), x.var(dim=(0, 2, 3), correction=0)
            with torch.no_grad():
                if self.training:
                    self.running_mean += self.momentum * (mean - self.running_mean)
                    self.running_var += self.momentum * (var * n / (n - 1) - self.running_var)
        else:
            mean, var = self.running_mean, self.running_var
        den = torch.sqrt(var + self.eps)
        return (x - mean[:, None, None]) / den[:, None, None] * self.weight[:, None, None] + self.bias[:, None, None]


# %% wrong batch_norm: normalises by the unbiased variance
class BatchNorm2d(nn.Module):
    def __init__(self, channels, eps=1e-5, momentum=0.1):
        super().__init__()
        self.eps, self.momentum = eps, momentum
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x):
        if self.training:
            n = x.numel() // x.shape[1]
            if n == 1:
                raise ValueError("one number a channel")
            mean, var = x.mean(dim=(0, 2, 3)), x.var(dim=(0, 2, 3))
            with torch.no_grad():
                if self.training:
                    self.running_mean += self.momentum * (mean - self.running_mean)
                    self.running_var += self.momentum * (var - self.running_var)
        else:
            mean, var = self.running_mean, self.running_var
        den = torch.sqrt(var + self.eps)
        return (x - mean[:, None, None]) / den[:, None, None] * self.weight[:, None, None] + self.bias[:, None, None]


# %% wrong batch_norm: keeps the biased variance
class BatchNorm2d(nn.Module):
    def __init__(self, channels, eps=1e-5, momentum=0.1):
        super().__init__()
        self.eps, self.momentum = eps, momentum
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x):
        if self.training:
            n = x.numel() // x.shape[1]
            if n == 1:
                raise ValueError("one number a channel")
            mean, var = x.mean(dim=(0, 2, 3)), x.var(dim=(0, 2, 3), correction=0)
            with torch.no_grad():
                if self.training:
                    self.running_mean += self.momentum * (mean - self.running_mean)
                    self.running_var += self.momentum * (var - self.running_var)
        else:
            mean, var = self.running_mean, self.running_var
        den = torch.sqrt(var + self.eps)
        return (x - mean[:, None, None]) / den[:, None, None] * self.weight[:, None, None] + self.bias[:, None, None]


# %% wrong batch_norm: momentum is the share of the old average
class BatchNorm2d(nn.Module):
    def __init__(self, channels, eps=1e-5, momentum=0.1):
        super().__init__()
        self.eps, self.momentum = eps, momentum
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x):
        if self.training:
            n = x.numel() // x.shape[1]
            if n == 1:
                raise ValueError("one number a channel")
            mean, var = x.mean(dim=(0, 2, 3)), x.var(dim=(0, 2, 3), correction=0)
            with torch.no_grad():
                if self.training:
                    self.running_mean += (1 - self.momentum) * (mean - self.running_mean)
                    self.running_var += (1 - self.momentum) * (var * n / (n - 1) - self.running_var)
        else:
            mean, var = self.running_mean, self.running_var
        den = torch.sqrt(var + self.eps)
        return (x - mean[:, None, None]) / den[:, None, None] * self.weight[:, None, None] + self.bias[:, None, None]


# %% wrong batch_norm: epsilon outside the root
class BatchNorm2d(nn.Module):
    def __init__(self, channels, eps=1e-5, momentum=0.1):
        super().__init__()
        self.eps, self.momentum = eps, momentum
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x):
        if self.training:
            n = x.numel() // x.shape[1]
            if n == 1:
                raise ValueError("one number a channel")
            mean, var = x.mean(dim=(0, 2, 3)), x.var(dim=(0, 2, 3), correction=0)
            with torch.no_grad():
                if self.training:
                    self.running_mean += self.momentum * (mean - self.running_mean)
                    self.running_var += self.momentum * (var * n / (n - 1) - self.running_var)
        else:
            mean, var = self.running_mean, self.running_var
        den = torch.sqrt(var) + self.eps
        return (x - mean[:, None, None]) / den[:, None, None] * self.weight[:, None, None] + self.bias[:, None, None]


# %% wrong batch_norm: the statistics get no gradient
class BatchNorm2d(nn.Module):
    def __init__(self, channels, eps=1e-5, momentum=0.1):
        super().__init__()
        self.eps, self.momentum = eps, momentum
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x):
        if self.training:
            n = x.numel() // x.shape[1]
            if n == 1:
                raise ValueError("one number a channel")
            mean, var = x.mean(dim=(0, 2, 3)), x.var(dim=(0, 2, 3), correction=0)
            with torch.no_grad():
                if self.training:
                    self.running_mean += self.momentum * (mean - self.running_mean)
                    self.running_var += self.momentum * (var * n / (n - 1) - self.running_var)
            mean, var = mean.detach(), var.detach()
        else:
            mean, var = self.running_mean, self.running_var
        den = torch.sqrt(var + self.eps)
        return (x - mean[:, None, None]) / den[:, None, None] * self.weight[:, None, None] + self.bias[:, None, None]


# %% wrong batch_norm: running averages are parameters
class BatchNorm2d(nn.Module):
    def __init__(self, channels, eps=1e-5, momentum=0.1):
        super().__init__()
        self.eps, self.momentum = eps, momentum
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))
        self.running_mean = nn.Parameter(torch.zeros(channels), requires_grad=False)
        self.running_var = nn.Parameter(torch.ones(channels), requires_grad=False)

    def forward(self, x):
        if self.training:
            n = x.numel() // x.shape[1]
            if n == 1:
                raise ValueError("one number a channel")
            mean, var = x.mean(dim=(0, 2, 3)), x.var(dim=(0, 2, 3), correction=0)
            with torch.no_grad():
                if self.training:
                    self.running_mean += self.momentum * (mean - self.running_mean)
                    self.running_var += self.momentum * (var * n / (n - 1) - self.running_var)
        else:
            mean, var = self.running_mean, self.running_var
        den = torch.sqrt(var + self.eps)
        return (x - mean[:, None, None]) / den[:, None, None] * self.weight[:, None, None] + self.bias[:, None, None]


# %% wrong batch_norm: normalises twice in training: with the updated averages
class BatchNorm2d(nn.Module):
    def __init__(self, channels, eps=1e-5, momentum=0.1):
        super().__init__()
        self.eps, self.momentum = eps, momentum
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x):
        if self.training:
            n = x.numel() // x.shape[1]
            if n == 1:
                raise ValueError("one number a channel")
            mean, var = x.mean(dim=(0, 2, 3)), x.var(dim=(0, 2, 3), correction=0)
            with torch.no_grad():
                if self.training:
                    self.running_mean += self.momentum * (mean - self.running_mean)
                    self.running_var += self.momentum * (var * n / (n - 1) - self.running_var)
            mean, var = self.running_mean.clone(), self.running_var.clone()
        else:
            mean, var = self.running_mean, self.running_var
        den = torch.sqrt(var + self.eps)
        return (x - mean[:, None, None]) / den[:, None, None] * self.weight[:, None, None] + self.bias[:, None, None]


# %% wrong batch_norm: scales the bias too
class BatchNorm2d(nn.Module):
    def __init__(self, channels, eps=1e-5, momentum=0.1):
        super().__init__()
        self.eps, self.momentum = eps, momentum
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x):
        if self.training:
            n = x.numel() // x.shape[1]
            if n == 1:
                raise ValueError("one number a channel")
            mean, var = x.mean(dim=(0, 2, 3)), x.var(dim=(0, 2, 3), correction=0)
            with torch.no_grad():
                if self.training:
                    self.running_mean += self.momentum * (mean - self.running_mean)
                    self.running_var += self.momentum * (var * n / (n - 1) - self.running_var)
        else:
            mean, var = self.running_mean, self.running_var
        den = torch.sqrt(var + self.eps)
        return ((x - mean[:, None, None]) / den[:, None, None] + self.bias[:, None, None]) * self.weight[:, None, None]


# %% wrong batch_norm: no error for one number a channel
class BatchNorm2d(nn.Module):
    def __init__(self, channels, eps=1e-5, momentum=0.1):
        super().__init__()
        self.eps, self.momentum = eps, momentum
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x):
        if self.training:
            n = x.numel() // x.shape[1]
            n = max(n, 2)
            mean, var = x.mean(dim=(0, 2, 3)), x.var(dim=(0, 2, 3), correction=0)
            with torch.no_grad():
                if self.training:
                    self.running_mean += self.momentum * (mean - self.running_mean)
                    self.running_var += self.momentum * (var * n / (n - 1) - self.running_var)
        else:
            mean, var = self.running_mean, self.running_var
        den = torch.sqrt(var + self.eps)
        return (x - mean[:, None, None]) / den[:, None, None] * self.weight[:, None, None] + self.bias[:, None, None]


# %% wrong batch_norm: momentum is fixed at 0.1
class BatchNorm2d(nn.Module):
    def __init__(self, channels, eps=1e-5, momentum=0.1):
        super().__init__()
        self.eps, self.momentum = eps, momentum
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x):
        if self.training:
            n = x.numel() // x.shape[1]
            if n == 1:
                raise ValueError("one number a channel")
            mean, var = x.mean(dim=(0, 2, 3)), x.var(dim=(0, 2, 3), correction=0)
            with torch.no_grad():
                if self.training:
                    self.running_mean += 0.1 * (mean - self.running_mean)
                    self.running_var += 0.1 * (var * n / (n - 1) - self.running_var)
        else:
            mean, var = self.running_mean, self.running_var
        den = torch.sqrt(var + self.eps)
        return (x - mean[:, None, None]) / den[:, None, None] * self.weight[:, None, None] + self.bias[:, None, None]


# %% right batch_norm: sums and squares, scale and shift folded into one
class BatchNorm2d(nn.Module):
    def __init__(self, channels, eps=1e-5, momentum=0.1):
        super().__init__()
        self.eps, self.momentum = eps, momentum
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(self, x):
        if not self.training:
            mean, var = self.running_mean, self.running_var
        else:
            numbers = x.transpose(0, 1).flatten(1)  # (C, n)
            n = numbers.shape[1]
            if n < 2:
                raise ValueError(f"cannot normalise a channel of {n} number")
            mean = numbers.mean(dim=1)
            var = ((numbers - mean[:, None]) ** 2).mean(dim=1)
            old, new = 1 - self.momentum, self.momentum
            self.running_mean = old * self.running_mean + new * mean.detach()
            self.running_var = old * self.running_var + new * numbers.detach().var(dim=1)
            self.num_batches_tracked += 1
        scale = self.weight * (var + self.eps).rsqrt()
        shift = self.bias - mean * scale
        return torch.einsum("bchw,c->bchw", x, scale) + shift[None, :, None, None]


# %% wrong receptive_field: the jump grows before the kernel is added
def receptive_field(layers):
    size, jump = 1, 1
    for kernel, stride, dilation in layers:
        jump *= stride
        size += dilation * (kernel - 1) * jump
    return size, jump


# %% wrong receptive_field: forgets dilation
def receptive_field(layers):
    size, jump = 1, 1
    for kernel, stride, dilation in layers:
        size += (kernel - 1) * jump
        jump *= stride
    return size, jump


# %% wrong receptive_field: the span d·k instead of d·(k − 1) + 1, less 1
def receptive_field(layers):
    size, jump = 1, 1
    for kernel, stride, dilation in layers:
        size += (dilation * kernel - 1) * jump
        jump *= stride
    return size, jump


# %% wrong receptive_field: strides added up instead of multiplied
def receptive_field(layers):
    size, jump = 1, 1
    for kernel, stride, dilation in layers:
        size += dilation * (kernel - 1) * jump
        jump += stride - 1
    return size, jump


# %% wrong receptive_field: strides are forgotten
def receptive_field(layers):
    size = 1 + sum(dilation * (kernel - 1) for kernel, stride, dilation in layers)
    return size, 1


# %% wrong receptive_field: empties the caller's list
def receptive_field(layers):
    size, jump = 1, 1
    while layers:
        kernel, stride, dilation = layers.pop(0)
        size += dilation * (kernel - 1) * jump
        jump *= stride
    return size, jump


# %% right receptive_field: backwards from the output
def receptive_field(layers):
    size = 1
    for kernel, stride, dilation in reversed(layers):
        size = (size - 1) * stride + dilation * (kernel - 1) + 1
    return size, math.prod(stride for _, stride, _ in layers)


# %% wrong double_conv: no ReLU in the middle
class DoubleConv(nn.Module):
    def __init__(self, n_in, n_out):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(n_in, n_out, 3, padding=1, bias=False), nn.BatchNorm2d(n_out), nn.Conv2d(n_out, n_out, 3, padding=1, bias=False), nn.BatchNorm2d(n_out), nn.ReLU())

    def forward(self, x):
        return self.layers(x)


# %% wrong double_conv: no ReLU at the end
class DoubleConv(nn.Module):
    def __init__(self, n_in, n_out):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(n_in, n_out, 3, padding=1, bias=False), nn.BatchNorm2d(n_out), nn.ReLU(), nn.Conv2d(n_out, n_out, 3, padding=1, bias=False), nn.BatchNorm2d(n_out))

    def forward(self, x):
        return self.layers(x)


# %% wrong double_conv: ReLU before the norm, and once more at the end
class DoubleConv(nn.Module):
    def __init__(self, n_in, n_out):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(n_in, n_out, 3, padding=1, bias=False), nn.ReLU(), nn.BatchNorm2d(n_out), nn.Conv2d(n_out, n_out, 3, padding=1, bias=False), nn.ReLU(), nn.BatchNorm2d(n_out), nn.ReLU())

    def forward(self, x):
        return self.layers(x)


# %% wrong double_conv: the convolutions have a bias
class DoubleConv(nn.Module):
    def __init__(self, n_in, n_out):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(n_in, n_out, 3, padding=1), nn.BatchNorm2d(n_out), nn.ReLU(), nn.Conv2d(n_out, n_out, 3, padding=1), nn.BatchNorm2d(n_out), nn.ReLU())

    def forward(self, x):
        return self.layers(x)


# %% wrong double_conv: pads with the image's other side
class DoubleConv(nn.Module):
    def __init__(self, n_in, n_out):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(n_in, n_out, 3, padding=1, bias=False, padding_mode="circular"), nn.BatchNorm2d(n_out), nn.ReLU(), nn.Conv2d(n_out, n_out, 3, padding=1, bias=False, padding_mode="circular"), nn.BatchNorm2d(n_out), nn.ReLU())

    def forward(self, x):
        return self.layers(x)


# %% wrong double_conv: both norms normalise the second convolution
class DoubleConv(nn.Module):
    def __init__(self, n_in, n_out):
        super().__init__()
        self.first = nn.Conv2d(n_in, n_out, 3, padding=1, bias=False)
        self.second = nn.Conv2d(n_out, n_out, 3, padding=1, bias=False)
        self.norms = nn.Sequential(nn.BatchNorm2d(n_out), nn.BatchNorm2d(n_out))

    def forward(self, x):
        return F.relu(self.norms(self.second(F.relu(self.first(x)))))


# %% right double_conv: layers as attributes, functional ReLU
class DoubleConv(nn.Module):
    def __init__(self, n_in, n_out):
        super().__init__()
        self.conv1 = nn.Conv2d(n_in, n_out, kernel_size=3, padding="same", bias=False)
        self.conv2 = nn.Conv2d(n_out, n_out, kernel_size=3, padding="same", bias=False)
        self.norm1, self.norm2 = nn.BatchNorm2d(n_out), nn.BatchNorm2d(n_out)

    def forward(self, x):
        x = self.norm1(self.conv1(x)).clamp(min=0)
        return self.norm2(self.conv2(x)).clamp(min=0)


# %% wrong unet: no skip at all: the decoder joins its own maps
class UNet(nn.Module):
    def __init__(self, channels, width, depth, skips=True):
        super().__init__()
        sizes = [width * 2**i for i in range(depth + 1)]
        self.skips = skips
        self.down = nn.ModuleList(DoubleConv(a, b) for a, b in zip([channels, *sizes], sizes))
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * c, c, 2, stride=2) for c in sizes[:-1])
        self.merge = nn.ModuleList(DoubleConv((2 if skips else 1) * c, c) for c in sizes[:-1])
        self.out = nn.Conv2d(width, channels, 1)

    def forward(self, x):
        kept = []
        for i, block in enumerate(self.down):
            x = block(F.max_pool2d(x, 2) if i else x)
            kept.append(x)
        for i in reversed(range(len(self.up))):
            x = self.up[i](x)
            x = F.pad(x, (0, kept[i].shape[3] - x.shape[3], 0, kept[i].shape[2] - x.shape[2]), mode="replicate")
            x = self.merge[i](torch.cat([x, x], dim=1) if self.skips else x)
        return self.out(x)


# %% wrong unet: skips only at full resolution
class UNet(nn.Module):
    def __init__(self, channels, width, depth, skips=True):
        super().__init__()
        sizes = [width * 2**i for i in range(depth + 1)]
        self.skips = skips
        self.down = nn.ModuleList(DoubleConv(a, b) for a, b in zip([channels, *sizes], sizes))
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * c, c, 2, stride=2) for c in sizes[:-1])
        self.merge = nn.ModuleList(DoubleConv((2 if skips else 1) * c, c) for c in sizes[:-1])
        self.out = nn.Conv2d(width, channels, 1)

    def forward(self, x):
        kept = []
        for i, block in enumerate(self.down):
            x = block(F.max_pool2d(x, 2) if i else x)
            kept.append(x)
        for i in reversed(range(len(self.up))):
            x = self.up[i](x)
            x = F.pad(x, (0, kept[i].shape[3] - x.shape[3], 0, kept[i].shape[2] - x.shape[2]), mode="replicate")
            x = self.merge[i](torch.cat([kept[i] if i == 0 else x, x], dim=1) if self.skips else x)
        return self.out(x)


# %% wrong unet: a wrong level: every skip comes from below, enlarged
class UNet(nn.Module):
    def __init__(self, channels, width, depth, skips=True):
        super().__init__()
        sizes = [width * 2**i for i in range(depth + 1)]
        self.skips = skips
        self.down = nn.ModuleList(DoubleConv(a, b) for a, b in zip([channels, *sizes], sizes))
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * c, c, 2, stride=2) for c in sizes[:-1])
        self.merge = nn.ModuleList(DoubleConv((2 if skips else 1) * c, c) for c in sizes[:-1])
        self.out = nn.Conv2d(width, channels, 1)

    def forward(self, x):
        kept = []
        for i, block in enumerate(self.down):
            x = block(F.max_pool2d(x, 2) if i else x)
            kept.append(x)
        for i in reversed(range(len(self.up))):
            x = self.up[i](x)
            x = F.pad(x, (0, kept[i].shape[3] - x.shape[3], 0, kept[i].shape[2] - x.shape[2]), mode="replicate")
            x = self.merge[i](torch.cat([F.interpolate(kept[i + 1], size=x.shape[2:])[:, : x.shape[1]], x], dim=1) if self.skips else x)
        return self.out(x)


# %% wrong unet: a stale tensor: the skips of the image before
class UNet(nn.Module):
    def __init__(self, channels, width, depth, skips=True):
        super().__init__()
        sizes = [width * 2**i for i in range(depth + 1)]
        self.skips = skips
        self.down = nn.ModuleList(DoubleConv(a, b) for a, b in zip([channels, *sizes], sizes))
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * c, c, 2, stride=2) for c in sizes[:-1])
        self.merge = nn.ModuleList(DoubleConv((2 if skips else 1) * c, c) for c in sizes[:-1])
        self.out = nn.Conv2d(width, channels, 1)

    def forward(self, x):
        kept = []
        for i, block in enumerate(self.down):
            x = block(F.max_pool2d(x, 2) if i else x)
            kept.append(x)
        old = getattr(self, "old", kept)
        old = old if old[0].shape == kept[0].shape else kept
        self.old = [k.detach() for k in kept]
        for i in reversed(range(len(self.up))):
            x = self.up[i](x)
            x = F.pad(x, (0, kept[i].shape[3] - x.shape[3], 0, kept[i].shape[2] - x.shape[2]), mode="replicate")
            x = self.merge[i](torch.cat([old[i], x], dim=1) if self.skips else x)
        return self.out(x)


# %% wrong unet: skips are cut from the graph
class UNet(nn.Module):
    def __init__(self, channels, width, depth, skips=True):
        super().__init__()
        sizes = [width * 2**i for i in range(depth + 1)]
        self.skips = skips
        self.down = nn.ModuleList(DoubleConv(a, b) for a, b in zip([channels, *sizes], sizes))
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * c, c, 2, stride=2) for c in sizes[:-1])
        self.merge = nn.ModuleList(DoubleConv((2 if skips else 1) * c, c) for c in sizes[:-1])
        self.out = nn.Conv2d(width, channels, 1)

    def forward(self, x):
        kept = []
        for i, block in enumerate(self.down):
            x = block(F.max_pool2d(x, 2) if i else x)
            kept.append(x)
        for i in reversed(range(len(self.up))):
            x = self.up[i](x)
            x = F.pad(x, (0, kept[i].shape[3] - x.shape[3], 0, kept[i].shape[2] - x.shape[2]), mode="replicate")
            x = self.merge[i](torch.cat([kept[i].detach(), x], dim=1) if self.skips else x)
        return self.out(x)


# %% wrong unet: skips are joined mirrored
class UNet(nn.Module):
    def __init__(self, channels, width, depth, skips=True):
        super().__init__()
        sizes = [width * 2**i for i in range(depth + 1)]
        self.skips = skips
        self.down = nn.ModuleList(DoubleConv(a, b) for a, b in zip([channels, *sizes], sizes))
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * c, c, 2, stride=2) for c in sizes[:-1])
        self.merge = nn.ModuleList(DoubleConv((2 if skips else 1) * c, c) for c in sizes[:-1])
        self.out = nn.Conv2d(width, channels, 1)

    def forward(self, x):
        kept = []
        for i, block in enumerate(self.down):
            x = block(F.max_pool2d(x, 2) if i else x)
            kept.append(x)
        for i in reversed(range(len(self.up))):
            x = self.up[i](x)
            x = F.pad(x, (0, kept[i].shape[3] - x.shape[3], 0, kept[i].shape[2] - x.shape[2]), mode="replicate")
            x = self.merge[i](torch.cat([kept[i].flip(3), x], dim=1) if self.skips else x)
        return self.out(x)


# %% wrong unet: skips=False still joins them
class UNet(nn.Module):
    def __init__(self, channels, width, depth, skips=True):
        super().__init__()
        sizes = [width * 2**i for i in range(depth + 1)]
        self.skips = skips
        self.down = nn.ModuleList(DoubleConv(a, b) for a, b in zip([channels, *sizes], sizes))
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * c, c, 2, stride=2) for c in sizes[:-1])
        self.merge = nn.ModuleList(DoubleConv(2 * c, c) for c in sizes[:-1])
        self.out = nn.Conv2d(width, channels, 1)

    def forward(self, x):
        kept = []
        for i, block in enumerate(self.down):
            x = block(F.max_pool2d(x, 2) if i else x)
            kept.append(x)
        for i in reversed(range(len(self.up))):
            x = self.up[i](x)
            x = F.pad(x, (0, kept[i].shape[3] - x.shape[3], 0, kept[i].shape[2] - x.shape[2]), mode="replicate")
            x = self.merge[i](torch.cat([kept[i], x], dim=1) if True else x)
        return self.out(x)


# %% wrong unet: hard-coded for sizes that halve evenly: 17 pixels come back as 16
class UNet(nn.Module):
    def __init__(self, channels, width, depth, skips=True):
        super().__init__()
        sizes = [width * 2**i for i in range(depth + 1)]
        self.skips = skips
        self.down = nn.ModuleList(DoubleConv(a, b) for a, b in zip([channels, *sizes], sizes))
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * c, c, 2, stride=2) for c in sizes[:-1])
        self.merge = nn.ModuleList(DoubleConv((2 if skips else 1) * c, c) for c in sizes[:-1])
        self.out = nn.Conv2d(width, channels, 1)

    def forward(self, x):
        kept = []
        for i, block in enumerate(self.down):
            x = block(F.max_pool2d(x, 2) if i else x)
            kept.append(x)
        for i in reversed(range(len(self.up))):
            x = self.up[i](x)
            x = x
            x = self.merge[i](torch.cat([kept[i][:, :, : x.shape[2], : x.shape[3]], x], dim=1) if self.skips else x)
        return self.out(x)


# %% wrong unet: mean pooling
class UNet(nn.Module):
    def __init__(self, channels, width, depth, skips=True):
        super().__init__()
        sizes = [width * 2**i for i in range(depth + 1)]
        self.skips = skips
        self.down = nn.ModuleList(DoubleConv(a, b) for a, b in zip([channels, *sizes], sizes))
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * c, c, 2, stride=2) for c in sizes[:-1])
        self.merge = nn.ModuleList(DoubleConv((2 if skips else 1) * c, c) for c in sizes[:-1])
        self.out = nn.Conv2d(width, channels, 1)

    def forward(self, x):
        kept = []
        for i, block in enumerate(self.down):
            x = block(F.avg_pool2d(x, 2) if i else x)
            kept.append(x)
        for i in reversed(range(len(self.up))):
            x = self.up[i](x)
            x = F.pad(x, (0, kept[i].shape[3] - x.shape[3], 0, kept[i].shape[2] - x.shape[2]), mode="replicate")
            x = self.merge[i](torch.cat([kept[i], x], dim=1) if self.skips else x)
        return self.out(x)


# %% wrong unet: a ReLU on the output
class UNet(nn.Module):
    def __init__(self, channels, width, depth, skips=True):
        super().__init__()
        sizes = [width * 2**i for i in range(depth + 1)]
        self.skips = skips
        self.down = nn.ModuleList(DoubleConv(a, b) for a, b in zip([channels, *sizes], sizes))
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * c, c, 2, stride=2) for c in sizes[:-1])
        self.merge = nn.ModuleList(DoubleConv((2 if skips else 1) * c, c) for c in sizes[:-1])
        self.out = nn.Conv2d(width, channels, 1)

    def forward(self, x):
        kept = []
        for i, block in enumerate(self.down):
            x = block(F.max_pool2d(x, 2) if i else x)
            kept.append(x)
        for i in reversed(range(len(self.up))):
            x = self.up[i](x)
            x = F.pad(x, (0, kept[i].shape[3] - x.shape[3], 0, kept[i].shape[2] - x.shape[2]), mode="replicate")
            x = self.merge[i](torch.cat([kept[i], x], dim=1) if self.skips else x)
        return F.relu(self.out(x))


# %% wrong unet: the bottleneck does not reach the decoder
class UNet(nn.Module):
    def __init__(self, channels, width, depth, skips=True):
        super().__init__()
        sizes = [width * 2**i for i in range(depth + 1)]
        self.skips = skips
        self.down = nn.ModuleList(DoubleConv(a, b) for a, b in zip([channels, *sizes], sizes))
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * c, c, 2, stride=2) for c in sizes[:-1])
        self.merge = nn.ModuleList(DoubleConv((2 if skips else 1) * c, c) for c in sizes[:-1])
        self.out = nn.Conv2d(width, channels, 1)

    def forward(self, x):
        kept = []
        for i, block in enumerate(self.down):
            x = block(F.max_pool2d(x, 2) if i else x)
            kept.append(x)
        x = torch.zeros_like(x)
        for i in reversed(range(len(self.up))):
            x = self.up[i](x)
            x = F.pad(x, (0, kept[i].shape[3] - x.shape[3], 0, kept[i].shape[2] - x.shape[2]), mode="replicate")
            x = self.merge[i](torch.cat([kept[i], x], dim=1) if self.skips else x)
        return self.out(x)


# %% wrong unet: adds the mean of the image to the output: no longer local
class UNet(nn.Module):
    def __init__(self, channels, width, depth, skips=True):
        super().__init__()
        sizes = [width * 2**i for i in range(depth + 1)]
        self.skips = skips
        self.down = nn.ModuleList(DoubleConv(a, b) for a, b in zip([channels, *sizes], sizes))
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * c, c, 2, stride=2) for c in sizes[:-1])
        self.merge = nn.ModuleList(DoubleConv((2 if skips else 1) * c, c) for c in sizes[:-1])
        self.out = nn.Conv2d(width, channels, 1)

    def forward(self, x):
        kept = []
        for i, block in enumerate(self.down):
            x = block(F.max_pool2d(x, 2) if i else x)
            kept.append(x)
        for i in reversed(range(len(self.up))):
            x = self.up[i](x)
            x = F.pad(x, (0, kept[i].shape[3] - x.shape[3], 0, kept[i].shape[2] - x.shape[2]), mode="replicate")
            x = self.merge[i](torch.cat([kept[i], x], dim=1) if self.skips else x)
        return self.out(x) + kept[0].mean(dim=(1, 2, 3), keepdim=True)


# %% right unet: enlarges and convolves instead of a transposed convolution
class UNet(nn.Module):
    def __init__(self, channels, width, depth, skips=True):
        super().__init__()
        sizes = [width * 2**i for i in range(depth + 1)]
        self.skips = skips
        self.down = nn.ModuleList(DoubleConv(a, b) for a, b in zip([channels, *sizes], sizes))
        self.up = nn.ModuleList(nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(2 * c, c, 1)) for c in sizes[:-1])
        self.merge = nn.ModuleList(DoubleConv((2 if skips else 1) * c, c) for c in sizes[:-1])
        self.out = nn.Conv2d(width, channels, 1)

    def forward(self, x):
        kept = []
        for i, block in enumerate(self.down):
            x = block(F.max_pool2d(x, 2) if i else x)
            kept.append(x)
        for i in reversed(range(len(self.up))):
            x = self.up[i](x)
            x = F.pad(x, (0, kept[i].shape[3] - x.shape[3], 0, kept[i].shape[2] - x.shape[2]), mode="replicate")
            x = self.merge[i](torch.cat([kept[i], x], dim=1) if self.skips else x)
        return self.out(x)


# %% right unet: interpolates to the skip's size, and adds the skip
class UNet(nn.Module):
    def __init__(self, channels, width, depth, skips=True):
        super().__init__()
        sizes = [width * 2**i for i in range(depth + 1)]
        self.skips = skips
        self.down = nn.ModuleList(DoubleConv(a, b) for a, b in zip([channels, *sizes], sizes))
        self.up = nn.ModuleList(nn.Sequential(nn.ConvTranspose2d(2 * c, c, 2, stride=2), nn.BatchNorm2d(c)) for c in sizes[:-1])
        self.merge = nn.ModuleList(DoubleConv(c, c) for c in sizes[:-1])
        self.out = nn.Conv2d(width, channels, 1)

    def forward(self, x):
        kept = []
        for i, block in enumerate(self.down):
            x = block(F.max_pool2d(x, 2) if i else x)
            kept.append(x)
        for i in reversed(range(len(self.up))):
            x = self.up[i](x)
            x = x if x.shape == kept[i].shape else F.interpolate(x, size=kept[i].shape[2:])
            x = self.merge[i](x + kept[i] if self.skips else x)
        return self.out(x)


# %% right unet: pools as a layer, pops the skips from a stack
class UNet(nn.Module):
    def __init__(self, channels, width, depth, skips=True):
        super().__init__()
        self.use, self.pool, self.down = skips, nn.MaxPool2d(2), nn.ModuleList([DoubleConv(channels, width)])
        self.decoder = nn.ModuleList()
        for i in range(depth):
            c = width << i
            self.down.append(DoubleConv(c, 2 * c))
            self.decoder.insert(0, nn.ModuleList([nn.ConvTranspose2d(2 * c, c, 2, 2), DoubleConv(c + c * skips, c)]))
        self.head = nn.Conv2d(width, channels, kernel_size=1)

    def forward(self, x):
        stack = []
        for block in self.down[:-1]:
            stack.append(block(x))
            x = self.pool(stack[-1])
        x = self.down[-1](x)
        for up, block in self.decoder:
            skip = stack.pop()
            x = up(x)
            x = torch.cat([x, x[:, :, -1:]], dim=2)[:, :, : skip.shape[2]]
            x = torch.cat([x, x[..., -1:]], dim=3)[..., : skip.shape[3]]
            x = block(torch.cat([x, skip], dim=1) if self.use else x)
        return self.head(x)


# %% wrong psnr: one error for the whole batch
def psnr(estimate, target, peak=1.0):
    if estimate.shape != target.shape:
        raise ValueError("another shape")
    error = (estimate - target).square().mean()
    return (10 * torch.log10(peak**2 / error)).expand(len(target))


# %% wrong psnr: 20 instead of 10
def psnr(estimate, target, peak=1.0):
    if estimate.shape != target.shape:
        raise ValueError("another shape")
    return 20 * torch.log10(peak**2 / (estimate - target).square().mean(dim=(1, 2, 3)))


# %% wrong psnr: the peak is not squared
def psnr(estimate, target, peak=1.0):
    if estimate.shape != target.shape:
        raise ValueError("another shape")
    return 10 * torch.log10(peak / (estimate - target).square().mean(dim=(1, 2, 3)))


# %% wrong psnr: the natural logarithm
def psnr(estimate, target, peak=1.0):
    if estimate.shape != target.shape:
        raise ValueError("another shape")
    return 10 * torch.log(peak**2 / (estimate - target).square().mean(dim=(1, 2, 3)))


# %% wrong psnr: the absolute error, which is the same for a constant shift
def psnr(estimate, target, peak=1.0):
    if estimate.shape != target.shape:
        raise ValueError("another shape")
    return 20 * torch.log10(peak / (estimate - target).abs().mean(dim=(1, 2, 3)))


# %% wrong psnr: the mean over channels of each channel's PSNR
def psnr(estimate, target, peak=1.0):
    if estimate.shape != target.shape:
        raise ValueError("another shape")
    return (10 * torch.log10(peak**2 / (estimate - target).square().mean(dim=(2, 3)))).mean(dim=1)


# %% wrong psnr: broadcasts other shapes
def psnr(estimate, target, peak=1.0):
    return 10 * torch.log10(peak**2 / (estimate - target).square().mean(dim=(1, 2, 3)))


# %% wrong psnr: equal images are capped at 100 dB
def psnr(estimate, target, peak=1.0):
    if estimate.shape != target.shape:
        raise ValueError("another shape")
    return (10 * torch.log10(peak**2 / (estimate - target).square().mean(dim=(1, 2, 3)))).clamp(max=100)


# %% right psnr: a difference of logarithms
def psnr(estimate, target, peak=1.0):
    if estimate.shape != target.shape:
        raise ValueError("another shape")
    error = torch.stack([F.mse_loss(a, b) for a, b in zip(estimate, target)])
    return 20 * math.log10(peak) - 10 * error.log10()


# %% wrong selectivity: θ instead of 2θ
def selectivity(energy, angles):
    e = energy
    c, s = (torch.cos(angles) @ e, torch.sin(angles) @ e)
    value, total = torch.hypot(c, s), e.sum(dim=0)
    return torch.where(total == 0, 0.0, value / total.masked_fill(total == 0, 1.0))


# %% wrong selectivity: the square root of energy
def selectivity(energy, angles):
    e = energy.sqrt()
    c, s = (torch.cos(2 * angles) @ e, torch.sin(2 * angles) @ e)
    value, total = torch.hypot(c, s), e.sum(dim=0)
    return torch.where(total == 0, 0.0, value / total.masked_fill(total == 0, 1.0))


# %% wrong selectivity: the largest instead of the sum
def selectivity(energy, angles):
    e = energy
    c, s = (torch.cos(2 * angles) @ e, torch.sin(2 * angles) @ e)
    value, total = torch.hypot(c, s), e.amax(dim=0)
    return torch.where(total == 0, 0.0, value / total.masked_fill(total == 0, 1.0))


# %% wrong selectivity: only the cosine part, with its sign removed
def selectivity(energy, angles):
    e = energy
    c, s = (torch.cos(2 * angles) @ e, torch.sin(2 * angles) @ e)
    value, total = c.abs(), e.sum(dim=0)
    return torch.where(total == 0, 0.0, value / total.masked_fill(total == 0, 1.0))


# %% wrong selectivity: the squared length
def selectivity(energy, angles):
    e = energy
    c, s = (torch.cos(2 * angles) @ e, torch.sin(2 * angles) @ e)
    value, total = (c**2 + s**2), e.sum(dim=0) ** 2
    return torch.where(total == 0, 0.0, value / total.masked_fill(total == 0, 1.0))


# %% wrong selectivity: a silent channel is NaN
def selectivity(energy, angles):
    e = energy
    c, s = (torch.cos(2 * angles) @ e, torch.sin(2 * angles) @ e)
    value, total = torch.hypot(c, s), e.sum(dim=0)
    return value / total


# %% wrong selectivity: a constant in the denominator, so that weak channels seem unselective
def selectivity(energy, angles):
    e = energy
    c, s = (torch.cos(2 * angles) @ e, torch.sin(2 * angles) @ e)
    value, total = torch.hypot(c, s), e.sum(dim=0)
    return value / (total + 1e-3)


# %% wrong selectivity: largest less smallest over their sum
def selectivity(energy, angles):
    high, low = energy.amax(dim=0), energy.amin(dim=0)
    return torch.where(high == 0, 0.0, (high - low) / (high + low).masked_fill(high == 0, 1.0))


# %% right selectivity: complex numbers
def selectivity(energy, angles):
    turned = torch.exp(2j * angles)
    total = energy.sum(dim=0)
    value = (turned @ energy.to(turned.dtype)).abs() / total
    return value.nan_to_num(0.0)


# %% wrong conv2d: PyTorch's own by another name
def conv2d(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    return torch.conv2d(x, weight, bias, stride, padding, dilation, groups)


# %% right conv2d: a product in the frequency domain
def conv2d(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    B, C, H, W = x.shape
    O, cg, kh, kw = weight.shape
    oh, ow = output_size(H, kh, stride, padding, dilation), output_size(W, kw, stride, padding, dilation)
    ph, pw = H + 2 * padding, W + 2 * padding
    big = x.new_zeros(O, cg, ph, pw)
    big[:, :, : dilation * (kh - 1) + 1 : dilation, : dilation * (kw - 1) + 1 : dilation] = weight
    fx = torch.fft.rfft2(F.pad(x, (padding,) * 4)).unflatten(1, (groups, cg))
    fw = torch.fft.rfft2(big).conj().unflatten(0, (groups, -1))
    y = torch.fft.irfft2((fx[:, :, None] * fw).sum(3), s=(ph, pw)).flatten(1, 2)
    y = y[:, :, ::stride, ::stride][:, :, :oh, :ow]
    return y if bias is None else y + bias[:, None, None]


# %% wrong max_pool: pads with −100
def max_pool2d(x, kernel=2, stride=None, padding=0):
    p = F.pad(x, (padding,) * 4, value=-100.0)
    return p.unfold(2, kernel, stride or kernel).unfold(3, kernel, stride or kernel).amax((-2, -1))


# %% wrong max_pool: PyTorch's own by another name
def max_pool2d(x, kernel=2, stride=None, padding=0):
    return torch.max_pool2d(x, kernel, stride or kernel, padding)


# %% wrong batch_norm: one number a channel is an error, but only after the running averages have changed
class BatchNorm2d(nn.Module):
    def __init__(self, channels, eps=1e-5, momentum=0.1):
        super().__init__()
        self.eps, self.momentum = eps, momentum
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x):
        v, mu = self.running_var, self.running_mean
        if self.training:
            n = x.numel() // x.shape[1]
            v, mu = torch.var_mean(x, dim=(0, 2, 3), correction=0)
            with torch.no_grad():
                self.running_mean.lerp_(mu, self.momentum)
                self.running_var.lerp_(v * (n / max(n - 1, 1e-9)), self.momentum)
            if n == 1:
                raise ValueError("one number per channel")
        scale = self.weight * torch.rsqrt(v + self.eps)
        return (x - mu[:, None, None]) * scale[:, None, None] + self.bias[:, None, None]


# %% wrong psnr: no gradient, so nothing can be trained on it
def psnr(estimate, target, peak=1.0):
    if estimate.shape != target.shape:
        raise ValueError("shape")
    with torch.no_grad():
        return 10 * torch.log10(peak**2 / (estimate - target).square().mean((1, 2, 3)))


# %% wrong selectivity: does not look at the angles
def selectivity(energy, angles):
    a = torch.arange(len(energy), dtype=energy.dtype) * math.pi / len(energy)
    t = energy.sum(0)
    r = torch.hypot(torch.cos(2 * a) @ energy, torch.sin(2 * a) @ energy) / t
    return torch.where(t > 0, r, torch.zeros_like(r)).clamp(max=1)


# %% wrong unet: adds the image to the output where there are skips
class UNet(nn.Module):
    def __init__(self, channels, width, depth, skips=True):
        super().__init__()
        w = [width * 2**i for i in range(depth + 1)]
        self.skips = skips
        self.down = nn.ModuleList([DoubleConv(channels if i == 0 else w[i - 1], w[i]) for i in range(depth + 1)])
        self.up = nn.ModuleList([nn.Conv2d(w[i + 1], w[i], 1) for i in range(depth)])
        self.merge = nn.ModuleList([DoubleConv(w[i] * (2 if skips else 1), w[i]) for i in range(depth)])
        self.out = nn.Conv2d(width, channels, 1)

    def forward(self, x):
        image = x
        kept = []
        for i, block in enumerate(self.down):
            x = block(F.max_pool2d(x, 2) if i else x)
            kept.append(x)
        for i in range(len(self.merge) - 1, -1, -1):
            skip = kept[i]
            size = skip.shape[2:]
            x = self.up[i](F.interpolate(x, scale_factor=2, mode="bilinear"))
            x = F.pad(x, (0, size[1] - x.shape[3], 0, size[0] - x.shape[2]), mode="replicate")
            x = torch.cat([skip, x], 1) if self.skips else x
            x = self.merge[i](x)
        return self.out(x) + image if self.skips else self.out(x)


# %% wrong unet: without skips the decoder has no double convolutions
class UNet(nn.Module):
    def __init__(self, channels, width, depth, skips=True):
        super().__init__()
        w = [width * 2**i for i in range(depth + 1)]
        self.skips = skips
        self.down = nn.ModuleList([DoubleConv(channels if i == 0 else w[i - 1], w[i]) for i in range(depth + 1)])
        self.up = nn.ModuleList([nn.Conv2d(w[i + 1], w[i], 1) for i in range(depth)])
        self.merge = nn.ModuleList([DoubleConv(w[i] * (2 if skips else 1), w[i]) for i in range(depth)])
        self.out = nn.Conv2d(width, channels, 1)

    def forward(self, x):
        image = x
        kept = []
        for i, block in enumerate(self.down):
            x = block(F.max_pool2d(x, 2) if i else x)
            kept.append(x)
        for i in range(len(self.merge) - 1, -1, -1):
            skip = kept[i]
            size = skip.shape[2:]
            x = self.up[i](F.interpolate(x, scale_factor=2, mode="bilinear"))
            x = F.pad(x, (0, size[1] - x.shape[3], 0, size[0] - x.shape[2]), mode="replicate")
            x = torch.cat([skip, x], 1) if self.skips else x
            x = self.merge[i](x) if self.skips else x
        return self.out(x)


# %% wrong unet: bounded by tanh, on a large scale
class UNet(nn.Module):
    def __init__(self, channels, width, depth, skips=True):
        super().__init__()
        w = [width * 2**i for i in range(depth + 1)]
        self.skips = skips
        self.down = nn.ModuleList([DoubleConv(channels if i == 0 else w[i - 1], w[i]) for i in range(depth + 1)])
        self.up = nn.ModuleList([nn.Conv2d(w[i + 1], w[i], 1) for i in range(depth)])
        self.merge = nn.ModuleList([DoubleConv(w[i] * (2 if skips else 1), w[i]) for i in range(depth)])
        self.out = nn.Conv2d(width, channels, 1)

    def forward(self, x):
        image = x
        kept = []
        for i, block in enumerate(self.down):
            x = block(F.max_pool2d(x, 2) if i else x)
            kept.append(x)
        for i in range(len(self.merge) - 1, -1, -1):
            skip = kept[i]
            size = skip.shape[2:]
            x = self.up[i](F.interpolate(x, scale_factor=2, mode="bilinear"))
            x = F.pad(x, (0, size[1] - x.shape[3], 0, size[0] - x.shape[2]), mode="replicate")
            x = torch.cat([skip, x], 1) if self.skips else x
            x = self.merge[i](x)
        return 3 * torch.tanh(self.out(x) / 3)


# %% wrong unet: the way up keeps its channels
class UNet(nn.Module):
    def __init__(self, channels, width, depth, skips=True):
        super().__init__()
        w = [width * 2**i for i in range(depth + 1)]
        self.skips = skips
        self.down = nn.ModuleList([DoubleConv(channels if i == 0 else w[i - 1], w[i]) for i in range(depth + 1)])
        self.up = nn.ModuleList([nn.Identity() for i in range(depth)])
        self.merge = nn.ModuleList([DoubleConv(w[i + 1] + w[i] * skips, w[i]) for i in range(depth)])
        self.out = nn.Conv2d(width, channels, 1)

    def forward(self, x):
        image = x
        kept = []
        for i, block in enumerate(self.down):
            x = block(F.max_pool2d(x, 2) if i else x)
            kept.append(x)
        for i in range(len(self.merge) - 1, -1, -1):
            skip = kept[i]
            size = skip.shape[2:]
            x = self.up[i](F.interpolate(x, scale_factor=2, mode="bilinear"))
            x = F.pad(x, (0, size[1] - x.shape[3], 0, size[0] - x.shape[2]), mode="replicate")
            x = torch.cat([skip, x], 1) if self.skips else x
            x = self.merge[i](x)
        return self.out(x)


# %% right unet: recursive, sub-pixel shuffle, replicated border, hstack
class UNet(nn.Module):
    def __init__(self, channels, width, depth, skips=True):
        super().__init__()
        self.skips, self.depth = skips, depth
        self.down, self.up, self.merge = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        before = channels
        for i in range(depth + 1):
            now = width << i
            self.down.append(DoubleConv(before, now))
            if i:
                self.up.append(nn.Sequential(nn.Conv2d(now, 2 * now, 1), nn.PixelShuffle(2)))
                self.merge.append(DoubleConv(before * (1 + skips), before))
            before = now
        self.last = nn.Conv2d(width, channels, 1)

    def level(self, i, x):
        here = self.down[i](x)
        if i == self.depth:
            return here
        back = self.up[i](self.level(i + 1, F.max_pool2d(here, 2)))
        back = F.pad(back, (0, here.shape[3] - back.shape[3], 0, here.shape[2] - back.shape[2]), mode="replicate")
        return self.merge[i](torch.hstack((back, here)) if self.skips else back)

    def forward(self, x):
        return self.last(self.level(0, x))


# %% right unet: transposed convolution with its output size, joined by adding
class UNet(nn.Module):
    def __init__(self, channels, width, depth, skips=True):
        super().__init__()
        w = [width * 2**i for i in range(depth + 1)]
        self.skips = skips
        self.down = nn.ModuleList([DoubleConv(channels if i == 0 else w[i - 1], w[i]) for i in range(depth + 1)])
        self.up = nn.ModuleList([nn.ConvTranspose2d(w[i + 1], w[i], 2, stride=2) for i in range(depth)])
        self.merge = nn.ModuleList([DoubleConv(w[i], w[i]) for i in range(depth)])
        self.out = nn.Conv2d(width, channels, 1)

    def forward(self, x):
        image = x
        kept = []
        for i, block in enumerate(self.down):
            x = block(F.max_pool2d(x, 2) if i else x)
            kept.append(x)
        for i in range(len(self.merge) - 1, -1, -1):
            skip = kept[i]
            size = skip.shape[2:]
            x = self.up[i](x, output_size=size)
            x = x + skip if self.skips else x
            x = self.merge[i](x)
        return self.out(x)


# %% right double_conv: padding by name
class DoubleConv(nn.Module):
    def __init__(self, n_in, n_out):
        super().__init__()
        layers = []
        for size in (n_in, n_out):
            layers += [nn.Conv2d(size, n_out, 3, padding="same", bias=False), nn.BatchNorm2d(n_out), nn.ReLU()]
        self.layers = nn.Sequential(*layers)

    def forward(self, x):
        return self.layers(x)


# %% wrong batch_norm: raises for one number in evaluation too
class BatchNorm2d(nn.Module):
    def __init__(self, channels, eps=1e-5, momentum=0.1):
        super().__init__()
        self.eps, self.momentum = eps, momentum
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x):
        n = x.numel() // x.shape[1]
        if n == 1:
            raise ValueError("each channel needs more than one number")
        if self.training:
            mean, var = x.mean(dim=(0, 2, 3)), x.var(dim=(0, 2, 3), correction=0)
            with torch.no_grad():
                self.running_mean.lerp_(mean, self.momentum)
                self.running_var.lerp_(var * n / (n - 1), self.momentum)
        else:
            mean, var = self.running_mean, self.running_var
        scale = self.weight / torch.sqrt(var + self.eps)
        return (x - mean[:, None, None]) * scale[:, None, None] + self.bias[:, None, None]


# %% wrong unet: half of each skip is dropped at random in training
class UNet(nn.Module):
    def __init__(self, channels, width, depth, skips=True):
        super().__init__()
        sizes = [width * 2**i for i in range(depth + 1)]
        self.skips = skips
        self.down = nn.ModuleList(DoubleConv(a, b) for a, b in zip([channels, *sizes], sizes))
        self.up = nn.ModuleList(nn.Conv2d(2 * size, size, 1) for size in sizes[:-1])
        self.merge = nn.ModuleList(DoubleConv(2 * size if skips else size, size) for size in sizes[:-1])
        self.out = nn.Conv2d(width, channels, 1)

    def forward(self, x):
        kept = []
        for i, block in enumerate(self.down):
            x = block(F.max_pool2d(x, 2) if i else x)
            kept.append(x)
        for i in reversed(range(len(self.up))):
            x = F.interpolate(self.up[i](x), size=kept[i].shape[2:], mode="bilinear")
            joined = torch.cat([F.dropout(kept[i], 0.5, self.training), x], dim=1)
            x = self.merge[i](joined if self.skips else x)
        return self.out(x)
