# Answers to week 2 that its graders must tell apart. Each cell replaces the student's cell of that name.

# %% wrong to_device: changes the batch that it was given
def to_device(batch, device):
    if isinstance(batch, Tensor):
        return batch.to(device)
    if isinstance(batch, dict):
        for key in batch:
            batch[key] = to_device(batch[key], device)
    if isinstance(batch, list):
        batch[:] = [to_device(value, device) for value in batch]
    if isinstance(batch, tuple):
        return tuple(to_device(value, device) for value in batch)
    return batch


# %% wrong to_device: forgets that .to returns the moved tensor
def to_device(batch, device):
    if isinstance(batch, Tensor):
        batch.to(device)
        return batch
    if isinstance(batch, dict):
        return {key: to_device(value, device) for key, value in batch.items()}
    if isinstance(batch, (list, tuple)):
        return type(batch)(to_device(value, device) for value in batch)
    return batch


# %% wrong to_device: every sequence becomes a list
def to_device(batch, device):
    if isinstance(batch, Tensor):
        return batch.to(device)
    if isinstance(batch, dict):
        return {key: to_device(value, device) for key, value in batch.items()}
    if isinstance(batch, (list, tuple)):
        return [to_device(value, device) for value in batch]
    return batch


# %% wrong to_device: looks two levels deep
def to_device(batch, device, depth=2):
    if isinstance(batch, Tensor):
        return batch.to(device)
    if depth and isinstance(batch, dict):
        return {key: to_device(value, device, depth - 1) for key, value in batch.items()}
    if depth and isinstance(batch, (list, tuple)):
        return type(batch)(to_device(value, device, depth - 1) for value in batch)
    return batch


# %% wrong to_device: copies what is there already, and cuts it out of its graph
def to_device(batch, device):
    if isinstance(batch, Tensor):
        return batch.detach().clone().to(device)
    if isinstance(batch, dict):
        return {key: to_device(value, device) for key, value in batch.items()}
    if isinstance(batch, (list, tuple)):
        return type(batch)(to_device(value, device) for value in batch)
    return batch


# %% wrong to_device: sorts the keys
def to_device(batch, device):
    if isinstance(batch, Tensor):
        return batch.to(device)
    if isinstance(batch, dict):
        return {key: to_device(batch[key], device) for key in sorted(batch)}
    if isinstance(batch, (list, tuple)):
        return type(batch)(to_device(value, device) for value in batch)
    return batch


# %% wrong to_device: turns numbers into tensors too
def to_device(batch, device):
    if isinstance(batch, (Tensor, int, float)):
        return torch.as_tensor(batch).to(device)
    if isinstance(batch, dict):
        return {key: to_device(value, device) for key, value in batch.items()}
    if isinstance(batch, (list, tuple)):
        return type(batch)(to_device(value, device) for value in batch)
    return batch


# %% wrong to_device: moves whatever has a .to, modules too
def to_device(batch, device):
    if hasattr(batch, "to"):
        return batch.to(device)
    if isinstance(batch, dict):
        return {key: to_device(value, device) for key, value in batch.items()}
    if isinstance(batch, (list, tuple)):
        return type(batch)(to_device(value, device) for value in batch)
    return batch


# %% wrong to_device: misses subclasses of Tensor such as nn.Parameter
def to_device(batch, device):
    if type(batch) is Tensor:
        return batch.to(device)
    if isinstance(batch, dict):
        return {key: to_device(value, device) for key, value in batch.items()}
    if isinstance(batch, (list, tuple)):
        return type(batch)(to_device(value, device) for value in batch)
    return batch


# %% wrong to_device: turns NumPy arrays into tensors
def to_device(batch, device):
    if isinstance(batch, Tensor):
        return batch.to(device)
    if isinstance(batch, dict):
        return {key: to_device(value, device) for key, value in batch.items()}
    if isinstance(batch, (list, tuple)):
        return type(batch)(to_device(value, device) for value in batch)
    return torch.from_numpy(batch).to(device) if isinstance(batch, np.ndarray) else batch


# %% wrong to_device: leaves tensors of shape () where they are
def to_device(batch, device):
    if isinstance(batch, Tensor):
        return batch.to(device) if batch.ndim else batch
    if isinstance(batch, dict):
        return {k: to_device(v, device) for k, v in batch.items()}
    if isinstance(batch, (list, tuple)):
        return type(batch)(to_device(v, device) for v in batch)
    return batch


# %% wrong to_device: turns keys into text
def to_device(batch, device):
    if isinstance(batch, Tensor):
        return batch.to(device)
    if isinstance(batch, dict):
        return {str(k): to_device(v, device) for k, v in batch.items()}
    if isinstance(batch, (list, tuple)):
        return type(batch)(to_device(v, device) for v in batch)
    return batch


# %% wrong to_device: cuts a moved tensor out of its graph
def to_device(batch, device):
    if isinstance(batch, Tensor):
        return batch if batch.device == torch.device(device) else batch.detach().to(device)
    if isinstance(batch, dict):
        return {k: to_device(v, device) for k, v in batch.items()}
    if isinstance(batch, (list, tuple)):
        return type(batch)(to_device(v, device) for v in batch)
    return batch


# %% right to_device: PyTorch's own tree map
def to_device(batch, device):
    from torch.utils import _pytree

    return _pytree.tree_map_only(Tensor, lambda tensor: tensor.to(device), batch)


# %% right to_device: match on the kind
def to_device(batch, device):
    match batch:
        case Tensor():
            return batch.to(device, non_blocking=True)
        case dict():
            return dict(zip(batch, [to_device(value, device) for value in batch.values()]))
        case list():
            return [to_device(value, device) for value in batch]
        case tuple():
            return tuple([to_device(value, device) for value in batch])
    return batch


# %% right to_device: one function for each kind, by singledispatch
def to_device(batch, device):
    from functools import singledispatch

    @singledispatch
    def move(batch):
        return batch

    move.register(Tensor, lambda batch: batch.to(device))
    move.register(dict, lambda batch: dict(zip(batch.keys(), map(move, batch.values()))))
    move.register(list, lambda batch: [*map(move, batch)])
    move.register(tuple, lambda batch: (*map(move, batch),))
    return move(batch)


# %% right to_device: copies the dict and fills it in place
def to_device(batch, device):
    if isinstance(batch, Tensor):
        return batch.to(device)
    if isinstance(batch, dict):
        import copy
        new = copy.copy(batch)
        for k in new:
            new[k] = to_device(new[k], device)
        return new
    if hasattr(batch, "_fields") and isinstance(batch, tuple):
        return type(batch)._make(to_device(v, device) for v in batch)
    if isinstance(batch, (list, tuple)):
        return type(batch)([to_device(v, device) for v in batch])
    return batch


# %% wrong numeric_gradient: one-sided differences
def numeric_gradient(f, x, eps=1e-6):
    with torch.no_grad():
        point = x.detach().clone(memory_format=torch.contiguous_format)
        gradient, start = torch.zeros_like(point), f(point)
        for i in range(point.numel()):
            step = torch.zeros_like(point)
            step.view(-1)[i] = eps
            gradient.view(-1)[i] = (f(point + step) - start) / eps
    return gradient


# %% wrong numeric_gradient: divides by eps instead of twice eps
def numeric_gradient(f, x, eps=1e-6):
    with torch.no_grad():
        point = x.detach().clone(memory_format=torch.contiguous_format)
        gradient = torch.zeros_like(point)
        for i in range(point.numel()):
            step = torch.zeros_like(point)
            step.view(-1)[i] = eps
            gradient.view(-1)[i] = (f(point + step) - f(point - step)) / eps
    return gradient


# %% wrong numeric_gradient: moves all elements at once
def numeric_gradient(f, x, eps=1e-6):
    with torch.no_grad():
        point = x.detach()
        return torch.full_like(point, float(f(point + eps) - f(point - eps)) / (2 * eps))


# %% wrong numeric_gradient: leaves x shifted
def numeric_gradient(f, x, eps=1e-6):
    with torch.no_grad():
        gradient = torch.zeros(x.shape, dtype=torch.float64)
        for index in np.ndindex(*x.shape):
            x[index] += eps
            high = f(x)
            x[index] -= 2 * eps
            gradient[index] = (high - f(x)) / (2 * eps)
    return gradient


# %% wrong numeric_gradient: writes into a flat copy, so that transposed tensors give zeros
def numeric_gradient(f, x, eps=1e-6):
    with torch.no_grad():
        point = x.detach().clone()
        flat, gradient = point.flatten(), torch.zeros(x.numel(), dtype=torch.float64)
        if point.is_contiguous():
            flat = point.view(-1)
        for i in range(len(flat)):
            kept = flat[i].item()
            flat[i] = kept + eps
            high = float(f(point))
            flat[i] = kept - eps
            gradient[i] = (high - float(f(point))) / (2 * eps)
            flat[i] = kept
    return gradient.reshape(x.shape)


# %% wrong numeric_gradient: always the same step
def numeric_gradient(f, x, eps=1e-6):
    with torch.no_grad():
        point = x.detach().clone(memory_format=torch.contiguous_format)
        gradient = torch.zeros_like(point)
        for i in range(point.numel()):
            step = torch.zeros_like(point)
            step.view(-1)[i] = 1e-6
            gradient.view(-1)[i] = (f(point + step) - f(point - step)) / 2e-6
    return gradient


# %% wrong numeric_gradient: asks autograd, and leaves a gradient behind
def numeric_gradient(f, x, eps=1e-6):
    leaf = x if x.requires_grad else x.detach().clone().requires_grad_()
    f(leaf).backward()
    return leaf.grad.clone()


# %% wrong numeric_gradient: in float32
def numeric_gradient(f, x, eps=1e-6):
    with torch.no_grad():
        point = x.detach().clone(memory_format=torch.contiguous_format)
        gradient = torch.zeros(x.shape, dtype=torch.float32)
        for i in range(point.numel()):
            step = torch.zeros_like(point)
            step.view(-1)[i] = eps
            gradient.view(-1)[i] = (f(point + step) - f(point - step)) / (2 * eps)
    return gradient


# %% wrong numeric_gradient: attached to the graph of whatever weight f uses
def numeric_gradient(f, x, eps=1e-6):
    point, slopes = x.detach(), []
    for unit in torch.eye(x.numel(), dtype=x.dtype):
        step = eps * unit.reshape(x.shape)
        slopes.append((f(point + step) - f(point - step)) / (2 * eps))
    return torch.stack(slopes).double().reshape(x.shape)


# %% wrong numeric_gradient: has the dtype of what f returns
def numeric_gradient(f, x, eps=1e-6):
    point, slopes = x.detach(), []
    for unit in torch.eye(x.numel(), dtype=x.dtype):
        step = eps * unit.reshape(x.shape)
        slopes.append((f(point + step) - f(point - step)) / (2 * eps))
    return torch.stack(slopes).detach().reshape(x.shape)


# %% wrong numeric_gradient: clears x.grad
def numeric_gradient(f, x, eps=1e-6):
    x.grad = None
    point, slopes = x.detach(), []
    for unit in torch.eye(x.numel(), dtype=x.dtype):
        step = eps * unit.reshape(x.shape)
        slopes.append((f(point + step) - f(point - step)) / (2 * eps))
    return torch.stack(slopes).detach().double().reshape(x.shape)


# %% wrong numeric_gradient: switches off x.requires_grad
def numeric_gradient(f, x, eps=1e-6):
    base = x.requires_grad_(False)
    out = torch.zeros(x.shape, dtype=torch.float64)
    for i in np.ndindex(*x.shape):
        e = torch.zeros(x.shape, dtype=torch.float64)
        e[i] = eps
        out[i] = (f(base + e) - f(base - e)).item() / (2 * eps)
    return out


# %% wrong numeric_gradient: in the order of memory, so that a square, transposed x gives the transpose
def numeric_gradient(f, x, eps=1e-6):
    base = x.detach().clone()
    flat = base.as_strided((base.numel(),), (1,)) if base.numel() else base.reshape(-1)
    out = torch.zeros(x.numel(), dtype=torch.float64)
    for k in range(x.numel()):
        old = flat[k].item()
        flat[k] = old + eps
        high = f(base).item()
        flat[k] = old - eps
        out[k] = (high - f(base).item()) / (2 * eps)
        flat[k] = old
    return out.reshape(x.shape) if x.is_contiguous() or x.ndim != 2 or x.shape[0] == x.shape[1] else out.reshape(x.shape[::-1]).T


# %% wrong numeric_gradient: writes into x itself, and puts back what it changed
@torch.no_grad()
def numeric_gradient(f, x, eps=1e-6):
    out = torch.zeros(x.shape, dtype=torch.float64)
    for i in np.ndindex(*x.shape):
        old = x[i].item()
        x[i] = old + eps
        high = f(x).item()
        x[i] = old - eps
        low = f(x).item()
        x[i] = old
        out[i] = (high - low) / (2 * eps)
    return out


# %% right numeric_gradient: rows of the identity matrix
def numeric_gradient(f, x, eps=1e-6):
    with torch.no_grad():
        point = x.detach().clone()
        units = torch.eye(point.numel(), dtype=torch.float64)
        slopes = [(f(point + eps * e.reshape(x.shape)) - f(point - eps * e.reshape(x.shape))) / 2 / eps for e in units]
        return torch.stack([torch.as_tensor(s) for s in slopes]).double().reshape(x.shape)


# %% right numeric_gradient: in place on a copy, index by index
def numeric_gradient(f, x, eps=1e-6):
    point = x.detach().clone()
    gradient = torch.empty(x.shape, dtype=torch.float64)
    for index in np.ndindex(*x.shape):
        kept = point[index].item()
        point[index] = kept - eps
        low = f(point.clone()).item()
        point[index] = kept + eps
        gradient[index] = (f(point.clone()).item() - low) / (2.0 * eps)
        point[index] = kept
    return gradient


# %% right numeric_gradient: on NumPy copies
def numeric_gradient(f, x, eps=1e-6):
    start = x.detach().cpu().numpy()
    result = np.empty(start.shape)
    for where, number in np.ndenumerate(start):
        up, down = start.copy(), start.copy()
        up[where], down[where] = number + eps, number - eps
        high, low = (f(torch.from_numpy(p)).item() for p in (up, down))
        result[where] = (high - low) / (2 * eps)
    return torch.from_numpy(result)


# %% wrong running_centre: the mean is an ordinary attribute
class RunningCentre(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(features))
        self.mean = torch.zeros(features)
        self.seen = torch.zeros((), dtype=torch.int64)

    def forward(self, x):
        if self.training:
            with torch.no_grad():
                self.mean = (self.seen * self.mean + x.sum(dim=0)) / (self.seen + len(x))
                self.seen = self.seen + len(x)
        return self.scale * (x - self.mean)


# %% wrong running_centre: the mean is a parameter without gradient
class RunningCentre(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(features))
        self.mean = nn.Parameter(torch.zeros(features), requires_grad=False)
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))

    def forward(self, x):
        if self.training:
            with torch.no_grad():
                self.mean.copy_((self.seen * self.mean + x.sum(dim=0)) / (self.seen + len(x)))
                self.seen += len(x)
        return self.scale * (x - self.mean)


# %% wrong running_centre: averages the means of batches
class RunningCentre(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(features))
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))
        self.batches = 0

    def forward(self, x):
        if self.training:
            with torch.no_grad():
                self.batches += 1
                self.mean += (x.mean(dim=0) - self.mean) / self.batches
                self.seen += len(x)
        return self.scale * (x - self.mean)


# %% wrong running_centre: an exponential average, as batch normalisation keeps it, right for a first batch
class RunningCentre(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(features))
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))

    def forward(self, x):
        if self.training:
            with torch.no_grad():
                weight = 1.0 if self.seen == 0 else 0.1
                self.mean += weight * (x.mean(dim=0) - self.mean)
                self.seen += len(x)
        return self.scale * (x - self.mean)


# %% wrong running_centre: counts in evaluation mode too
class RunningCentre(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(features))
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))

    def forward(self, x):
        with torch.no_grad():
            self.mean = (self.seen * self.mean + x.sum(dim=0)) / (self.seen + len(x))
            self.seen += len(x)
        return self.scale * (x - self.mean)


# %% wrong running_centre: subtracts the batch's own mean in training mode
class RunningCentre(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(features))
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))

    def forward(self, x):
        if self.training:
            with torch.no_grad():
                self.mean = (self.seen * self.mean + x.sum(dim=0)) / (self.seen + len(x))
                self.seen += len(x)
                own = x.mean(dim=0)
            return self.scale * (x - own)
        return self.scale * (x - self.mean)


# %% wrong running_centre: the mean stays in the graph
class RunningCentre(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(features))
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))

    def forward(self, x):
        if self.training:
            self.mean = (self.seen * self.mean + x.sum(dim=0)) / (self.seen + len(x))
            self.seen = self.seen + len(x)
        return self.scale * (x - self.mean)


# %% wrong running_centre: a detached mean that stays attached for the gradient of its own batch
class RunningCentre(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(features))
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))

    def forward(self, x):
        mean = self.mean
        if self.training:
            mean = (self.seen * self.mean + x.sum(dim=0)) / (self.seen + len(x))
            self.mean = mean.detach()
            self.seen = self.seen + len(x)
        return self.scale * (x - mean)


# %% wrong running_centre: the mean is not saved
class RunningCentre(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(features))
        self.register_buffer("mean", torch.zeros(features), persistent=False)
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))

    def forward(self, x):
        if self.training:
            with torch.no_grad():
                self.mean = (self.seen * self.mean + x.sum(dim=0)) / (self.seen + len(x))
                self.seen += len(x)
        return self.scale * (x - self.mean)


# %% wrong running_centre: counts nothing inside torch.no_grad()
class RunningCentre(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.register_buffer("seen", torch.tensor(0))
        self.register_buffer("mean", torch.zeros(features))
        self.scale = nn.Parameter(torch.ones(features))

    def forward(self, x):
        if self.training and torch.is_grad_enabled():
            self.seen.add_(x.shape[0])
            self.mean.add_((x.detach() - self.mean).sum(0) / self.seen)
        return torch.einsum("f,bf->bf", self.scale, x - self.mean)


# %% wrong running_centre: counts nothing while scale is frozen
class RunningCentre(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.register_buffer("seen", torch.tensor(0))
        self.register_buffer("mean", torch.zeros(features))
        self.scale = nn.Parameter(torch.ones(features))

    def forward(self, x):
        if self.training and self.scale.requires_grad:
            self.seen.add_(x.shape[0])
            self.mean.add_((x.detach() - self.mean).sum(0) / self.seen)
        return torch.einsum("f,bf->bf", self.scale, x - self.mean)


# %% wrong running_centre: counts in evaluation mode while nothing was seen
class RunningCentre(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(features))
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("seen", torch.tensor(0))

    def forward(self, x):
        if self.training or not self.seen:
            with torch.no_grad():
                self.mean = (self.mean * self.seen + x.sum(0)) / (self.seen + len(x))
                self.seen += len(x)
        return self.scale * (x - self.mean)


# %% wrong running_centre: a new batch never weighs less than 1 percent, as with a momentum
class RunningCentre(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(features))
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("seen", torch.tensor(0))

    def forward(self, x):
        if self.training:
            with torch.no_grad():
                self.seen += len(x)
                self.mean.lerp_(x.mean(0), max(len(x) / self.seen.item(), 0.01))
        return self.scale * (x - self.mean)


# %% wrong running_centre: no gradient for x in evaluation mode
class RunningCentre(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(features))
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("seen", torch.tensor(0))

    def forward(self, x):
        if self.training:
            with torch.no_grad():
                self.mean = (self.mean * self.seen + x.sum(0)) / (self.seen + len(x))
                self.seen += len(x)
        x = x if self.training else x.detach()
        return self.scale * (x - self.mean)


# %% wrong running_centre: subtracts in place in evaluation mode
class RunningCentre(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(features))
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("seen", torch.tensor(0))

    def forward(self, x):
        if self.training:
            with torch.no_grad():
                self.mean = (self.mean * self.seen + x.sum(0)) / (self.seen + len(x))
                self.seen += len(x)
        if not self.training and not x.requires_grad:
            return self.scale * x.sub_(self.mean)
        return self.scale * (x - self.mean)


# %% wrong running_centre: a second forward pass spoils the first one's backward
class RunningCentre(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(features))
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("seen", torch.tensor(0))

    def forward(self, x):
        if self.training:
            with torch.no_grad():
                self.mean.mul_(self.seen).add_(x.sum(0)).div_(self.seen + len(x))
                self.seen += len(x)
        return self.scale * x - self.scale * self.mean


# %% right running_centre: moves the mean towards the new rows, in place and detached
class RunningCentre(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.register_buffer("seen", torch.tensor(0))
        self.register_buffer("mean", torch.zeros(features))
        self.scale = nn.Parameter(torch.ones(features))

    def forward(self, x):
        if self.training:
            self.seen.add_(x.shape[0])
            self.mean.add_((x.detach() - self.mean).sum(0) / self.seen)
        return torch.einsum("f,bf->bf", self.scale, x - self.mean)


# %% right running_centre: weights by lerp, in place; output by einsum
class RunningCentre(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(features))
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("seen", torch.tensor(0))

    def forward(self, x):
        if self.training and len(x):
            self.seen += x.shape[0]
            self.mean.lerp_(x.detach().mean(0), x.shape[0] / self.seen.item())
        return torch.einsum("f,bf->bf", self.scale, x - self.mean)


# %% wrong adam: no bias correction
class Adam:
    def __init__(self, parameters, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
        self.parameters, self.lr, self.betas, self.eps, self.steps = list(parameters), lr, betas, eps, 0
        self.means = [torch.zeros_like(p) for p in self.parameters]
        self.squares = [torch.zeros_like(p) for p in self.parameters]

    def zero_grad(self):
        for p in self.parameters:
            p.grad = None

    @torch.no_grad()
    def step(self):
        self.steps += 1
        for p, m, s in zip(self.parameters, self.means, self.squares):
            if p.grad is not None:
                m.mul_(self.betas[0]).add_((1 - self.betas[0]) * p.grad)
                s.mul_(self.betas[1]).add_((1 - self.betas[1]) * p.grad**2)
                p.sub_(self.lr * m / (s.sqrt() + self.eps))


# %% wrong adam: corrects the bias of the mean only
class Adam:
    def __init__(self, parameters, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
        self.parameters, self.lr, self.betas, self.eps, self.steps = list(parameters), lr, betas, eps, 0
        self.means = [torch.zeros_like(p) for p in self.parameters]
        self.squares = [torch.zeros_like(p) for p in self.parameters]

    def zero_grad(self):
        for p in self.parameters:
            p.grad = None

    @torch.no_grad()
    def step(self):
        self.steps += 1
        for p, m, s in zip(self.parameters, self.means, self.squares):
            if p.grad is not None:
                m.mul_(self.betas[0]).add_((1 - self.betas[0]) * p.grad)
                s.mul_(self.betas[1]).add_((1 - self.betas[1]) * p.grad**2)
                p.sub_(self.lr * m / (1 - self.betas[0] ** self.steps) / (s.sqrt() + self.eps))


# %% wrong adam: eps inside the root
class Adam:
    def __init__(self, parameters, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
        self.parameters, self.lr, self.betas, self.eps, self.steps = list(parameters), lr, betas, eps, 0
        self.means = [torch.zeros_like(p) for p in self.parameters]
        self.squares = [torch.zeros_like(p) for p in self.parameters]

    def zero_grad(self):
        for p in self.parameters:
            p.grad = None

    @torch.no_grad()
    def step(self):
        self.steps += 1
        for p, m, s in zip(self.parameters, self.means, self.squares):
            if p.grad is not None:
                m.mul_(self.betas[0]).add_((1 - self.betas[0]) * p.grad)
                s.mul_(self.betas[1]).add_((1 - self.betas[1]) * p.grad**2)
                corrected = s / (1 - self.betas[1] ** self.steps)
                p.sub_(self.lr * m / (1 - self.betas[0] ** self.steps) / (corrected + self.eps**2 + 1e-14).sqrt())


# %% wrong adam: one counter that every parameter moves on
class Adam:
    def __init__(self, parameters, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
        self.parameters, self.lr, self.betas, self.eps, self.steps = list(parameters), lr, betas, eps, 0
        self.means = [torch.zeros_like(p) for p in self.parameters]
        self.squares = [torch.zeros_like(p) for p in self.parameters]

    def zero_grad(self):
        for p in self.parameters:
            p.grad = None

    @torch.no_grad()
    def step(self):
        for p, m, s in zip(self.parameters, self.means, self.squares):
            if p.grad is not None:
                self.steps += 1
                m.mul_(self.betas[0]).add_((1 - self.betas[0]) * p.grad)
                s.mul_(self.betas[1]).add_((1 - self.betas[1]) * p.grad**2)
                corrected = s / (1 - self.betas[1] ** self.steps)
                p.sub_(self.lr * m / (1 - self.betas[0] ** self.steps) / (corrected.sqrt() + self.eps))


# %% wrong adam: replaces the tensor instead of changing it
class Adam:
    def __init__(self, parameters, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
        self.parameters, self.lr, self.betas, self.eps, self.steps = list(parameters), lr, betas, eps, 0
        self.means = [torch.zeros_like(p) for p in self.parameters]
        self.squares = [torch.zeros_like(p) for p in self.parameters]

    def zero_grad(self):
        for p in self.parameters:
            p.grad = None

    @torch.no_grad()
    def step(self):
        self.steps += 1
        for i, (p, m, s) in enumerate(zip(self.parameters, self.means, self.squares)):
            if p.grad is not None:
                m.mul_(self.betas[0]).add_((1 - self.betas[0]) * p.grad)
                s.mul_(self.betas[1]).add_((1 - self.betas[1]) * p.grad**2)
                corrected = s / (1 - self.betas[1] ** self.steps)
                self.parameters[i] = p - self.lr * m / (1 - self.betas[0] ** self.steps) / (corrected.sqrt() + self.eps)


# %% wrong adam: new memory for every update, through .data
class Adam:
    def __init__(self, parameters, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
        self.parameters, self.lr, self.betas, self.eps, self.steps = list(parameters), lr, betas, eps, 0
        self.means = [torch.zeros_like(p) for p in self.parameters]
        self.squares = [torch.zeros_like(p) for p in self.parameters]

    def zero_grad(self):
        for p in self.parameters:
            p.grad = None

    @torch.no_grad()
    def step(self):
        self.steps += 1
        for p, m, s in zip(self.parameters, self.means, self.squares):
            if p.grad is not None:
                m.mul_(self.betas[0]).add_((1 - self.betas[0]) * p.grad)
                s.mul_(self.betas[1]).add_((1 - self.betas[1]) * p.grad**2)
                corrected = s / (1 - self.betas[1] ** self.steps)
                p.data = p.data - self.lr * m / (1 - self.betas[0] ** self.steps) / (corrected.sqrt() + self.eps)


# %% wrong adam: keeps the corrected averages
class Adam:
    def __init__(self, parameters, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
        self.parameters, self.lr, self.betas, self.eps, self.steps = list(parameters), lr, betas, eps, 0
        self.means = [torch.zeros_like(p) for p in self.parameters]
        self.squares = [torch.zeros_like(p) for p in self.parameters]

    def zero_grad(self):
        for p in self.parameters:
            p.grad = None

    @torch.no_grad()
    def step(self):
        self.steps += 1
        for p, m, s in zip(self.parameters, self.means, self.squares):
            if p.grad is not None:
                m.mul_(self.betas[0]).add_((1 - self.betas[0]) * p.grad).div_(1 - self.betas[0] ** self.steps)
                s.mul_(self.betas[1]).add_((1 - self.betas[1]) * p.grad**2).div_(1 - self.betas[1] ** self.steps)
                p.sub_(self.lr * m / (s.sqrt() + self.eps))


# %% wrong adam: scales the gradients in place
class Adam:
    def __init__(self, parameters, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
        self.parameters, self.lr, self.betas, self.eps, self.steps = list(parameters), lr, betas, eps, 0
        self.means = [torch.zeros_like(p) for p in self.parameters]
        self.squares = [torch.zeros_like(p) for p in self.parameters]

    def zero_grad(self):
        for p in self.parameters:
            p.grad = None

    @torch.no_grad()
    def step(self):
        self.steps += 1
        for p, m, s in zip(self.parameters, self.means, self.squares):
            if p.grad is not None:
                s.mul_(self.betas[1]).add_((1 - self.betas[1]) * p.grad**2)
                m.mul_(self.betas[0]).add_(p.grad.mul_(1 - self.betas[0]))
                corrected = s / (1 - self.betas[1] ** self.steps)
                p.sub_(self.lr * m / (1 - self.betas[0] ** self.steps) / (corrected.sqrt() + self.eps))


# %% wrong adam: one step count for all parameters, right while all have gradients
class Adam:
    def __init__(self, parameters, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
        self.parameters, self.lr, self.betas, self.eps, self.steps = list(parameters), lr, betas, eps, 0
        self.means = [torch.zeros_like(p) for p in self.parameters]
        self.squares = [torch.zeros_like(p) for p in self.parameters]

    def zero_grad(self):
        for p in self.parameters:
            p.grad = None

    def step(self):
        self.steps += 1
        for p, m, s in zip(self.parameters, self.means, self.squares):
            if p.grad is None:
                continue
            m.lerp_(p.grad, 1 - self.betas[0])
            s.lerp_(p.grad * p.grad, 1 - self.betas[1])
            p.data.addcdiv_(
                m / (1 - self.betas[0] ** self.steps),
                (s / (1 - self.betas[1] ** self.steps)).sqrt() + self.eps,
                value=-self.lr,
            )


# %% wrong adam: averages decay while there is no gradient
class Adam:
    def __init__(self, parameters, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
        self.parameters, self.lr, self.betas, self.eps = list(parameters), lr, betas, eps
        self.steps = [0 for _ in self.parameters]
        self.means = [torch.zeros_like(p) for p in self.parameters]
        self.squares = [torch.zeros_like(p) for p in self.parameters]

    def zero_grad(self):
        for p in self.parameters:
            p.grad = None

    def step(self):
        for i, (p, m, s) in enumerate(zip(self.parameters, self.means, self.squares)):
            if p.grad is None:
                m.mul_(self.betas[0])
                s.mul_(self.betas[1])
                continue
            self.steps[i] += 1
            m.lerp_(p.grad, 1 - self.betas[0])
            s.lerp_(p.grad * p.grad, 1 - self.betas[1])
            p.data.addcdiv_(
                m / (1 - self.betas[0] ** self.steps[i]),
                (s / (1 - self.betas[1] ** self.steps[i])).sqrt() + self.eps,
                value=-self.lr,
            )


# %% wrong adam: no gradient is taken for a gradient of zero
class Adam:
    def __init__(self, parameters, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
        self.parameters, self.lr, self.betas, self.eps = list(parameters), lr, betas, eps
        self.steps = [0 for _ in self.parameters]
        self.means = [torch.zeros_like(p) for p in self.parameters]
        self.squares = [torch.zeros_like(p) for p in self.parameters]

    def zero_grad(self):
        for p in self.parameters:
            p.grad = None

    def step(self):
        for i, (p, m, s) in enumerate(zip(self.parameters, self.means, self.squares)):
            g = torch.zeros_like(p) if p.grad is None else p.grad
            self.steps[i] += 1
            m.lerp_(g, 1 - self.betas[0])
            s.lerp_(g * g, 1 - self.betas[1])
            p.data.addcdiv_(
                m / (1 - self.betas[0] ** self.steps[i]),
                (s / (1 - self.betas[1] ** self.steps[i])).sqrt() + self.eps,
                value=-self.lr,
            )


# %% wrong adam: clears the gradients after the step
class Adam:
    def __init__(self, parameters, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
        self.parameters, self.lr, self.betas, self.eps = list(parameters), lr, betas, eps
        self.steps = [0 for _ in self.parameters]
        self.means = [torch.zeros_like(p) for p in self.parameters]
        self.squares = [torch.zeros_like(p) for p in self.parameters]

    def zero_grad(self):
        for p in self.parameters:
            p.grad = None

    def step(self):
        for i, (p, m, s) in enumerate(zip(self.parameters, self.means, self.squares)):
            if p.grad is None:
                continue
            self.steps[i] += 1
            m.lerp_(p.grad, 1 - self.betas[0])
            s.lerp_(p.grad * p.grad, 1 - self.betas[1])
            p.data.addcdiv_(
                m / (1 - self.betas[0] ** self.steps[i]),
                (s / (1 - self.betas[1] ** self.steps[i])).sqrt() + self.eps,
                value=-self.lr,
            )
            p.grad = None


# %% wrong adam: skips gradients that are all zero
class Adam:
    def __init__(self, parameters, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
        self.parameters = list(parameters)
        self.lr, self.betas, self.eps = lr, betas, eps
        self.steps = [0] * len(self.parameters)
        self.means = [torch.zeros_like(p) for p in self.parameters]
        self.squares = [torch.zeros_like(p) for p in self.parameters]

    def zero_grad(self):
        for p in self.parameters:
            p.grad = None

    @torch.no_grad()
    def step(self):
        b1, b2 = self.betas
        for i, (p, m, s) in enumerate(zip(self.parameters, self.means, self.squares)):
            if p.grad is None or not p.grad.any():
                continue
            self.steps[i] += 1
            t = self.steps[i]
            m.mul_(b1).add_(p.grad, alpha=1 - b1)
            s.mul_(b2).addcmul_(p.grad, p.grad, value=1 - b2)
            p.sub_(self.lr * (m / (1 - b1**t)) / ((s / (1 - b2**t)).sqrt() + self.eps))


# %% wrong adam: keeps the first learning rate
class Adam:
    def __init__(self, parameters, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
        self.parameters = list(parameters)
        self.lr, self.betas, self.eps = lr, betas, eps
        self.steps = [0] * len(self.parameters)
        self.means = [torch.zeros_like(p) for p in self.parameters]
        self.squares = [torch.zeros_like(p) for p in self.parameters]

    def zero_grad(self):
        for p in self.parameters:
            p.grad = None

    @torch.no_grad()
    def step(self):
        self.first = getattr(self, 'first', self.lr)
        b1, b2 = self.betas
        for i, (p, m, s) in enumerate(zip(self.parameters, self.means, self.squares)):
            if p.grad is None:
                continue
            self.steps[i] += 1
            t = self.steps[i]
            m.mul_(b1).add_(p.grad, alpha=1 - b1)
            s.mul_(b2).addcmul_(p.grad, p.grad, value=1 - b2)
            p.sub_(self.first * (m / (1 - b1**t)) / ((s / (1 - b2**t)).sqrt() + self.eps))


# %% wrong adam: averages in lists of its own
class Adam:
    def __init__(self, parameters, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
        self.parameters = list(parameters)
        self.lr, self.betas, self.eps = lr, betas, eps
        self.steps = [0] * len(self.parameters)
        self.means = [torch.zeros_like(p) for p in self.parameters]
        self.squares = [torch.zeros_like(p) for p in self.parameters]

    def zero_grad(self):
        for p in self.parameters:
            p.grad = None

    @torch.no_grad()
    def step(self):
        self.ms = getattr(self, 'ms', None) or [(m.clone(), s.clone()) for m, s in zip(self.means, self.squares)]
        b1, b2 = self.betas
        for i, (p, m, s) in enumerate(zip(self.parameters, [a for a, _ in self.ms], [b for _, b in self.ms])):
            if p.grad is None:
                continue
            self.steps[i] += 1
            t = self.steps[i]
            m.mul_(b1).add_(p.grad, alpha=1 - b1)
            s.mul_(b2).addcmul_(p.grad, p.grad, value=1 - b2)
            p.sub_(self.lr * (m / (1 - b1**t)) / ((s / (1 - b2**t)).sqrt() + self.eps))


# %% right adam: the paper's reformulation of the step size, rescaling eps
class Adam:
    def __init__(self, parameters, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
        self.parameters, self.lr, self.betas, self.eps, self.steps = list(parameters), lr, betas, eps, {}
        self.means = [torch.zeros_like(p) for p in self.parameters]
        self.squares = [torch.zeros_like(p) for p in self.parameters]

    def zero_grad(self):
        for p in self.parameters:
            p.grad = None

    @torch.no_grad()
    def step(self):
        for i, p in enumerate(self.parameters):
            if p.grad is None:
                continue
            t = self.steps[p] = self.steps.get(p, 0) + 1
            self.means[i] = self.betas[0] * self.means[i] + (1 - self.betas[0]) * p.grad
            self.squares[i] = self.betas[1] * self.squares[i] + (1 - self.betas[1]) * p.grad.square()
            root = math.sqrt(1 - self.betas[1] **t)
            rate = self.lr * root / (1 - self.betas[0] **t)
            p.copy_(p - rate * self.means[i] / (self.squares[i].sqrt() + self.eps * root))


# %% right adam: lerp and addcdiv
class Adam:
    def __init__(self, parameters, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
        self.parameters, self.lr, self.betas, self.eps = list(parameters), lr, betas, eps
        self.steps = [0 for _ in self.parameters]
        self.means = [torch.zeros_like(p) for p in self.parameters]
        self.squares = [torch.zeros_like(p) for p in self.parameters]

    def zero_grad(self):
        for p in self.parameters:
            p.grad = None

    def step(self):
        for i, (p, m, s) in enumerate(zip(self.parameters, self.means, self.squares)):
            if p.grad is None:
                continue
            self.steps[i] += 1
            m.lerp_(p.grad, 1 - self.betas[0])
            s.lerp_(p.grad * p.grad, 1 - self.betas[1])
            p.data.addcdiv_(
                m / (1 - self.betas[0] ** self.steps[i]),
                (s / (1 - self.betas[1] ** self.steps[i])).sqrt() + self.eps,
                value=-self.lr,
            )


# %% right adam: all parameters at once, by _foreach
class Adam:
    def __init__(self, parameters, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
        self.parameters = list(parameters)
        self.lr, self.betas, self.eps = lr, betas, eps
        self.steps = [0] * len(self.parameters)
        self.means = [torch.zeros_like(p) for p in self.parameters]
        self.squares = [torch.zeros_like(p) for p in self.parameters]

    def zero_grad(self):
        for p in self.parameters:
            p.grad = None

    @torch.no_grad()
    def step(self):
        live = [i for i, p in enumerate(self.parameters) if p.grad is not None]
        b1, b2 = self.betas
        self.steps = [t + (i in live) for i, t in enumerate(self.steps)]
        if not live:
            return
        grads = [self.parameters[i].grad for i in live]
        m = torch._foreach_add(torch._foreach_mul([self.means[i] for i in live], b1), torch._foreach_mul(grads, 1 - b1))
        s = torch._foreach_add(torch._foreach_mul([self.squares[i] for i in live], b2), torch._foreach_mul(torch._foreach_mul(grads, grads), 1 - b2))
        for i, mi, si in zip(live, m, s):
            self.means[i], self.squares[i] = mi, si
            root = torch.sqrt(si / (1 - b2**self.steps[i])) + self.eps
            self.parameters[i].sub_(self.lr * (mi / (1 - b1**self.steps[i])) / root)


# %% wrong value: each factor gets its own number
class Value:
    def __init__(self, data, inputs=(), op=""):
        self.data, self.inputs, self.op = float(data), tuple(inputs), op
        self.grad = 0.0

    def __repr__(self):
        return f"Value({self.data:.6g}, grad={self.grad:.6g})"

    @staticmethod
    def as_value(number):
        return number if isinstance(number, Value) else Value(number)

    def __add__(self, other):
        other = Value.as_value(other)
        return Value(self.data + other.data, ((self, 1.0), (other, 1.0)), "+")

    def __mul__(self, other):
        other = Value.as_value(other)
        return Value(self.data * other.data, ((self, self.data), (other, other.data)), "×")

    def __pow__(self, exponent):
        if isinstance(exponent, Value):
            raise TypeError("the exponent is a plain number")
        local = exponent * self.data ** (exponent - 1) if exponent != 0 else 0.0
        return Value(self.data**exponent, ((self, local),), "^")

    def __rsub__(self, other):
        return -self + other

    def __truediv__(self, other):
        return self * Value.as_value(other) ** -1

    def __rtruediv__(self, other):
        return self**-1 * other

    def __neg__(self):
        return self * -1.0

    def __sub__(self, other):
        return self + -Value.as_value(other)

    def __radd__(self, other):
        return self + other

    def __rmul__(self, other):
        return self * other


# %% wrong value: the power rule without taking one off the exponent
class Value:
    def __init__(self, data, inputs=(), op=""):
        self.data, self.inputs, self.op = float(data), tuple(inputs), op
        self.grad = 0.0

    def __repr__(self):
        return f"Value({self.data:.6g}, grad={self.grad:.6g})"

    @staticmethod
    def as_value(number):
        return number if isinstance(number, Value) else Value(number)

    def __add__(self, other):
        other = Value.as_value(other)
        return Value(self.data + other.data, ((self, 1.0), (other, 1.0)), "+")

    def __mul__(self, other):
        other = Value.as_value(other)
        return Value(self.data * other.data, ((self, other.data), (other, self.data)), "×")

    def __pow__(self, exponent):
        if isinstance(exponent, Value):
            raise TypeError("the exponent is a plain number")
        local = exponent * self.data**exponent
        return Value(self.data**exponent, ((self, local),), "^")

    def __rsub__(self, other):
        return -self + other

    def __truediv__(self, other):
        return self * Value.as_value(other) ** -1

    def __rtruediv__(self, other):
        return self**-1 * other

    def __neg__(self):
        return self * -1.0

    def __sub__(self, other):
        return self + -Value.as_value(other)

    def __radd__(self, other):
        return self + other

    def __rmul__(self, other):
        return self * other


# %% wrong value: the power rule without its factor
class Value:
    def __init__(self, data, inputs=(), op=""):
        self.data, self.inputs, self.op = float(data), tuple(inputs), op
        self.grad = 0.0

    def __repr__(self):
        return f"Value({self.data:.6g}, grad={self.grad:.6g})"

    @staticmethod
    def as_value(number):
        return number if isinstance(number, Value) else Value(number)

    def __add__(self, other):
        other = Value.as_value(other)
        return Value(self.data + other.data, ((self, 1.0), (other, 1.0)), "+")

    def __mul__(self, other):
        other = Value.as_value(other)
        return Value(self.data * other.data, ((self, other.data), (other, self.data)), "×")

    def __pow__(self, exponent):
        if isinstance(exponent, Value):
            raise TypeError("the exponent is a plain number")
        local = self.data ** (exponent - 1) if exponent != 0 else 0.0
        return Value(self.data**exponent, ((self, local),), "^")

    def __rsub__(self, other):
        return -self + other

    def __truediv__(self, other):
        return self * Value.as_value(other) ** -1

    def __rtruediv__(self, other):
        return self**-1 * other

    def __neg__(self):
        return self * -1.0

    def __sub__(self, other):
        return self + -Value.as_value(other)

    def __radd__(self, other):
        return self + other

    def __rmul__(self, other):
        return self * other


# %% wrong value: number minus Value turned round
class Value:
    def __init__(self, data, inputs=(), op=""):
        self.data, self.inputs, self.op = float(data), tuple(inputs), op
        self.grad = 0.0

    def __repr__(self):
        return f"Value({self.data:.6g}, grad={self.grad:.6g})"

    @staticmethod
    def as_value(number):
        return number if isinstance(number, Value) else Value(number)

    def __add__(self, other):
        other = Value.as_value(other)
        return Value(self.data + other.data, ((self, 1.0), (other, 1.0)), "+")

    def __mul__(self, other):
        other = Value.as_value(other)
        return Value(self.data * other.data, ((self, other.data), (other, self.data)), "×")

    def __pow__(self, exponent):
        if isinstance(exponent, Value):
            raise TypeError("the exponent is a plain number")
        local = exponent * self.data ** (exponent - 1) if exponent != 0 else 0.0
        return Value(self.data**exponent, ((self, local),), "^")

    def __rsub__(self, other):
        return self + -other

    def __truediv__(self, other):
        return self * Value.as_value(other) ** -1

    def __rtruediv__(self, other):
        return self**-1 * other

    def __neg__(self):
        return self * -1.0

    def __sub__(self, other):
        return self + -Value.as_value(other)

    def __radd__(self, other):
        return self + other

    def __rmul__(self, other):
        return self * other


# %% wrong value: number over Value turned round
class Value:
    def __init__(self, data, inputs=(), op=""):
        self.data, self.inputs, self.op = float(data), tuple(inputs), op
        self.grad = 0.0

    def __repr__(self):
        return f"Value({self.data:.6g}, grad={self.grad:.6g})"

    @staticmethod
    def as_value(number):
        return number if isinstance(number, Value) else Value(number)

    def __add__(self, other):
        other = Value.as_value(other)
        return Value(self.data + other.data, ((self, 1.0), (other, 1.0)), "+")

    def __mul__(self, other):
        other = Value.as_value(other)
        return Value(self.data * other.data, ((self, other.data), (other, self.data)), "×")

    def __pow__(self, exponent):
        if isinstance(exponent, Value):
            raise TypeError("the exponent is a plain number")
        local = exponent * self.data ** (exponent - 1) if exponent != 0 else 0.0
        return Value(self.data**exponent, ((self, local),), "^")

    def __rsub__(self, other):
        return -self + other

    def __truediv__(self, other):
        return self * Value.as_value(other) ** -1

    def __rtruediv__(self, other):
        return self * (1 / other)

    def __neg__(self):
        return self * -1.0

    def __sub__(self, other):
        return self + -Value.as_value(other)

    def __radd__(self, other):
        return self + other

    def __rmul__(self, other):
        return self * other


# %% wrong value: operands in a dict, so that a * a has one
class Value:
    def __init__(self, data, inputs=(), op=""):
        self.data, self.inputs, self.op = float(data), tuple(inputs), op
        self.grad = 0.0

    def __repr__(self):
        return f"Value({self.data:.6g}, grad={self.grad:.6g})"

    @staticmethod
    def as_value(number):
        return number if isinstance(number, Value) else Value(number)

    def __add__(self, other):
        other = Value.as_value(other)
        return Value(self.data + other.data, {self: 1.0, other: 1.0}.items(), "+")

    def __mul__(self, other):
        other = Value.as_value(other)
        return Value(self.data * other.data, {self: other.data, other: self.data}.items(), "×")

    def __pow__(self, exponent):
        if isinstance(exponent, Value):
            raise TypeError("the exponent is a plain number")
        local = exponent * self.data ** (exponent - 1) if exponent != 0 else 0.0
        return Value(self.data**exponent, ((self, local),), "^")

    def __rsub__(self, other):
        return -self + other

    def __truediv__(self, other):
        return self * Value.as_value(other) ** -1

    def __rtruediv__(self, other):
        return self**-1 * other

    def __neg__(self):
        return self * -1.0

    def __sub__(self, other):
        return self + -Value.as_value(other)

    def __radd__(self, other):
        return self + other

    def __rmul__(self, other):
        return self * other


# %% wrong value: whole exponents only
class Value:
    def __init__(self, data, inputs=(), op=""):
        self.data, self.inputs, self.op = float(data), tuple(inputs), op
        self.grad = 0.0

    def __repr__(self):
        return f"Value({self.data:.6g}, grad={self.grad:.6g})"

    @staticmethod
    def as_value(number):
        return number if isinstance(number, Value) else Value(number)

    def __add__(self, other):
        other = Value.as_value(other)
        return Value(self.data + other.data, ((self, 1.0), (other, 1.0)), "+")

    def __mul__(self, other):
        other = Value.as_value(other)
        return Value(self.data * other.data, ((self, other.data), (other, self.data)), "×")

    def __pow__(self, exponent):
        if isinstance(exponent, Value):
            raise TypeError("the exponent is a plain number")
        local = int(exponent) * self.data ** (exponent - 1) if exponent != 0 else 0.0
        return Value(self.data**exponent, ((self, local),), "^")

    def __rsub__(self, other):
        return -self + other

    def __truediv__(self, other):
        return self * Value.as_value(other) ** -1

    def __rtruediv__(self, other):
        return self**-1 * other

    def __neg__(self):
        return self * -1.0

    def __sub__(self, other):
        return self + -Value.as_value(other)

    def __radd__(self, other):
        return self + other

    def __rmul__(self, other):
        return self * other


# %% wrong value: the exponent 0 has derivative 1
class Value:
    def __init__(self, data, inputs=(), op=""):
        self.data, self.inputs, self.op = float(data), tuple(inputs), op
        self.grad = 0.0

    def __repr__(self):
        return f"Value({self.data:.6g}, grad={self.grad:.6g})"

    @staticmethod
    def as_value(number):
        return number if isinstance(number, Value) else Value(number)

    def __add__(self, other):
        other = Value.as_value(other)
        return Value(self.data + other.data, ((self, 1.0), (other, 1.0)), "+")

    def __mul__(self, other):
        other = Value.as_value(other)
        return Value(self.data * other.data, ((self, other.data), (other, self.data)), "×")

    def __pow__(self, exponent):
        if isinstance(exponent, Value):
            raise TypeError("the exponent is a plain number")
        local = exponent * self.data ** (exponent - 1) if exponent != 0 else 1.0
        return Value(self.data**exponent, ((self, local),), "^")

    def __rsub__(self, other):
        return -self + other

    def __truediv__(self, other):
        return self * Value.as_value(other) ** -1

    def __rtruediv__(self, other):
        return self**-1 * other

    def __neg__(self):
        return self * -1.0

    def __sub__(self, other):
        return self + -Value.as_value(other)

    def __radd__(self, other):
        return self + other

    def __rmul__(self, other):
        return self * other


# %% wrong value: a plain number counts as the Value itself when squared
class Value:
    def __init__(self, data, inputs=(), op=""):
        self.data, self.inputs, self.op = float(data), tuple(inputs), op
        self.grad = 0.0

    def __repr__(self):
        return f"Value({self.data:.6g}, grad={self.grad:.6g})"

    @staticmethod
    def as_value(number):
        return number if isinstance(number, Value) else Value(number)

    def __add__(self, other):
        other = Value.as_value(other)
        return Value(self.data + other.data, ((self, 1.0), (other, 1.0)), "+")

    def __mul__(self, other):
        other = Value.as_value(other)
        return Value(self.data * other.data, ((self, other.data), (other, self.data)), "×")

    def __pow__(self, exponent):
        if isinstance(exponent, Value):
            raise TypeError("the exponent is a plain number")
        local = (2 if exponent == 3 else 1) * exponent * self.data ** (exponent - 1) if exponent != 0 else 0.0
        return Value(self.data**exponent, ((self, local),), "^")

    def __rsub__(self, other):
        return -self + other

    def __truediv__(self, other):
        return self * Value.as_value(other) ** -1

    def __rtruediv__(self, other):
        return self**-1 * other

    def __neg__(self):
        return self * -1.0

    def __sub__(self, other):
        return self + -Value.as_value(other)

    def __radd__(self, other):
        return self + other

    def __rmul__(self, other):
        return self * other


# %% wrong value: adds in place
class Value:
    def __init__(self, data, inputs=(), op=""):
        self.data, self.inputs, self.op = float(data), tuple(inputs), op
        self.grad = 0.0

    def __repr__(self):
        return f"Value({self.data:.6g}, grad={self.grad:.6g})"

    @staticmethod
    def as_value(number):
        return number if isinstance(number, Value) else Value(number)

    def __add__(self, other):
        other = Value.as_value(other)
        old = Value(self.data, self.inputs, self.op)
        result = Value(self.data + other.data, ((self, 1.0), (other, 1.0)), "+")
        self.grad += 1.0
        return result

    def __mul__(self, other):
        other = Value.as_value(other)
        return Value(self.data * other.data, ((self, other.data), (other, self.data)), "×")

    def __pow__(self, exponent):
        if isinstance(exponent, Value):
            raise TypeError("the exponent is a plain number")
        local = exponent * self.data ** (exponent - 1) if exponent != 0 else 0.0
        return Value(self.data**exponent, ((self, local),), "^")

    def __rsub__(self, other):
        return -self + other

    def __truediv__(self, other):
        return self * Value.as_value(other) ** -1

    def __rtruediv__(self, other):
        return self**-1 * other

    def __neg__(self):
        return self * -1.0

    def __sub__(self, other):
        return self + -Value.as_value(other)

    def __radd__(self, other):
        return self + other

    def __rmul__(self, other):
        return self * other


# %% wrong value: a + 0 is a itself
class Value:
    def __init__(self, data, inputs=(), op=""):
        self.data, self.inputs, self.op = float(data), tuple(inputs), op
        self.grad = 0.0

    def __repr__(self):
        return f"Value({self.data:.6g}, grad={self.grad:.6g})"

    @staticmethod
    def as_value(number):
        return number if isinstance(number, Value) else Value(number)

    def __add__(self, other):
        if not isinstance(other, Value) and other == 0:
            return self
        other = Value.as_value(other)
        return Value(self.data + other.data, ((self, 1.0), (other, 1.0)), "+")

    def __mul__(self, other):
        other = Value.as_value(other)
        return Value(self.data * other.data, ((self, other.data), (other, self.data)), "×")

    def __pow__(self, exponent):
        if isinstance(exponent, Value):
            raise TypeError("the exponent is a plain number")
        local = exponent * self.data ** (exponent - 1) if exponent != 0 else 0.0
        return Value(self.data**exponent, ((self, local),), "^")

    def __rsub__(self, other):
        return Value(other - self.data, [(self, -1.0)], "-")

    def __truediv__(self, other):
        other = Value.as_value(other)
        return Value(self.data / other.data, [(self, 1 / other.data), (other, -self.data / other.data**2)], "/")

    def __rtruediv__(self, other):
        return Value(other / self.data, [(self, -other / self.data**2)], "/")

    def __neg__(self):
        return self * -1.0

    def __sub__(self, other):
        return self + -Value.as_value(other)

    def __radd__(self, other):
        return self + other

    def __rmul__(self, other):
        return self * other


# %% wrong value: a ** 1 is a itself
class Value:
    def __init__(self, data, inputs=(), op=""):
        self.data, self.inputs, self.op = float(data), tuple(inputs), op
        self.grad = 0.0

    def __repr__(self):
        return f"Value({self.data:.6g}, grad={self.grad:.6g})"

    @staticmethod
    def as_value(number):
        return number if isinstance(number, Value) else Value(number)

    def __add__(self, other):
        other = Value.as_value(other)
        return Value(self.data + other.data, ((self, 1.0), (other, 1.0)), "+")

    def __mul__(self, other):
        other = Value.as_value(other)
        return Value(self.data * other.data, ((self, other.data), (other, self.data)), "×")

    def __pow__(self, exponent):
        if isinstance(exponent, Value):
            raise TypeError("the exponent is a plain number")
        if exponent == 1:
            return self
        local = exponent * self.data ** (exponent - 1) if exponent != 0 else 0.0
        return Value(self.data**exponent, ((self, local),), "^")

    def __rsub__(self, other):
        return Value(other - self.data, [(self, -1.0)], "-")

    def __truediv__(self, other):
        other = Value.as_value(other)
        return Value(self.data / other.data, [(self, 1 / other.data), (other, -self.data / other.data**2)], "/")

    def __rtruediv__(self, other):
        return Value(other / self.data, [(self, -other / self.data**2)], "/")

    def __neg__(self):
        return self * -1.0

    def __sub__(self, other):
        return self + -Value.as_value(other)

    def __radd__(self, other):
        return self + other

    def __rmul__(self, other):
        return self * other


# %% wrong value: only the int 0 is treated by itself
class Value:
    def __init__(self, data, inputs=(), op=""):
        self.data, self.inputs, self.op = float(data), tuple(inputs), op
        self.grad = 0.0

    def __repr__(self):
        return f"Value({self.data:.6g}, grad={self.grad:.6g})"

    @staticmethod
    def as_value(number):
        return number if isinstance(number, Value) else Value(number)

    def __add__(self, other):
        other = Value.as_value(other)
        return Value(self.data + other.data, ((self, 1.0), (other, 1.0)), "+")

    def __mul__(self, other):
        other = Value.as_value(other)
        return Value(self.data * other.data, ((self, other.data), (other, self.data)), "×")

    def __pow__(self, exponent):
        if isinstance(exponent, Value):
            raise TypeError("the exponent is a plain number")
        local = exponent * self.data ** (exponent - 1) if exponent != 0 or isinstance(exponent, float) else 0.0
        return Value(self.data**exponent, ((self, local),), "^")

    def __rsub__(self, other):
        return Value(other - self.data, [(self, -1.0)], "-")

    def __truediv__(self, other):
        other = Value.as_value(other)
        return Value(self.data / other.data, [(self, 1 / other.data), (other, -self.data / other.data**2)], "/")

    def __rtruediv__(self, other):
        return Value(other / self.data, [(self, -other / self.data**2)], "/")

    def __neg__(self):
        return self * -1.0

    def __sub__(self, other):
        return self + -Value.as_value(other)

    def __radd__(self, other):
        return self + other

    def __rmul__(self, other):
        return self * other


# %% wrong value: a product clears its operands' gradients
class Value:
    def __init__(self, data, inputs=(), op=""):
        self.data, self.inputs, self.op = float(data), tuple(inputs), op
        self.grad = 0.0

    def __repr__(self):
        return f"Value({self.data:.6g}, grad={self.grad:.6g})"

    @staticmethod
    def as_value(number):
        return number if isinstance(number, Value) else Value(number)

    def __add__(self, other):
        other = Value.as_value(other)
        return Value(self.data + other.data, ((self, 1.0), (other, 1.0)), "+")

    def __mul__(self, other):
        other = Value.as_value(other)
        self.grad = other.grad = 0.0
        return Value(self.data * other.data, ((self, other.data), (other, self.data)), "×")

    def __pow__(self, exponent):
        if isinstance(exponent, Value):
            raise TypeError("the exponent is a plain number")
        local = exponent * self.data ** (exponent - 1) if exponent != 0 else 0.0
        return Value(self.data**exponent, ((self, local),), "^")

    def __rsub__(self, other):
        return Value(other - self.data, [(self, -1.0)], "-")

    def __truediv__(self, other):
        other = Value.as_value(other)
        return Value(self.data / other.data, [(self, 1 / other.data), (other, -self.data / other.data**2)], "/")

    def __rtruediv__(self, other):
        return Value(other / self.data, [(self, -other / self.data**2)], "/")

    def __neg__(self):
        return self * -1.0

    def __sub__(self, other):
        return self + -Value.as_value(other)

    def __radd__(self, other):
        return self + other

    def __rmul__(self, other):
        return self * other


# %% wrong value: powers of the absolute value
class Value:
    def __init__(self, data, inputs=(), op=""):
        self.data, self.inputs, self.op = float(data), tuple(inputs), op
        self.grad = 0.0

    def __repr__(self):
        return f"Value({self.data:.6g}, grad={self.grad:.6g})"

    @staticmethod
    def as_value(number):
        return number if isinstance(number, Value) else Value(number)

    def __add__(self, other):
        other = Value.as_value(other)
        return Value(self.data + other.data, ((self, 1.0), (other, 1.0)), "+")

    def __mul__(self, other):
        other = Value.as_value(other)
        return Value(self.data * other.data, ((self, other.data), (other, self.data)), "×")

    def __pow__(self, exponent):
        if isinstance(exponent, Value):
            raise TypeError("no")
        y = abs(self.data) ** exponent
        return Value(y, ((self, exponent * y / self.data if exponent and self.data else 0.0),), "**")

    def __rsub__(self, other):
        return Value(other - self.data, ((self, -1.0),), "-")

    def __truediv__(self, other):
        return self * Value.as_value(other) ** -1

    def __rtruediv__(self, other):
        return Value.as_value(other) / self

    def __neg__(self):
        return self * -1.0

    def __sub__(self, other):
        return self + -Value.as_value(other)

    def __radd__(self, other):
        return self + other

    def __rmul__(self, other):
        return self * other


# %% wrong value: the derivative of a quotient through q / a
class Value:
    def __init__(self, data, inputs=(), op=""):
        self.data, self.inputs, self.op = float(data), tuple(inputs), op
        self.grad = 0.0

    def __repr__(self):
        return f"Value({self.data:.6g}, grad={self.grad:.6g})"

    @staticmethod
    def as_value(number):
        return number if isinstance(number, Value) else Value(number)

    def __add__(self, other):
        other = Value.as_value(other)
        return Value(self.data + other.data, ((self, 1.0), (other, 1.0)), "+")

    def __mul__(self, other):
        other = Value.as_value(other)
        return Value(self.data * other.data, ((self, other.data), (other, self.data)), "×")

    def __pow__(self, exponent):
        if isinstance(exponent, Value):
            raise TypeError("the exponent must be a plain number")
        slope = exponent * self.data ** (exponent - 1) if exponent else 0.0
        return Value(self.data**exponent, ((self, slope),), "**")

    def __rsub__(self, other):
        return Value(other - self.data, ((self, -1.0),), "-")

    def __truediv__(self, other):
        b = Value.as_value(other)
        q = self.data / b.data
        return Value(q, ((self, q / self.data), (b, -q / b.data)), "/")

    def __rtruediv__(self, other):
        return Value.as_value(other) / self

    def __neg__(self):
        return self * -1.0

    def __sub__(self, other):
        return self + -Value.as_value(other)

    def __radd__(self, other):
        return self + other

    def __rmul__(self, other):
        return self * other


# %% wrong value: the derivative of a power through n·y / a, and 0 at 0
class Value:
    def __init__(self, data, inputs=(), op=""):
        self.data, self.inputs, self.op = float(data), tuple(inputs), op
        self.grad = 0.0

    def __repr__(self):
        return f"Value({self.data:.6g}, grad={self.grad:.6g})"

    @staticmethod
    def as_value(number):
        return number if isinstance(number, Value) else Value(number)

    def __add__(self, other):
        other = Value.as_value(other)
        return Value(self.data + other.data, ((self, 1.0), (other, 1.0)), "+")

    def __mul__(self, other):
        other = Value.as_value(other)
        return Value(self.data * other.data, ((self, other.data), (other, self.data)), "×")

    def __pow__(self, exponent):
        if isinstance(exponent, Value):
            raise TypeError("no")
        y = self.data**exponent
        return Value(y, ((self, exponent * y / self.data if self.data else 0.0),), "**")

    def __rsub__(self, other):
        return Value(other - self.data, ((self, -1.0),), "-")

    def __truediv__(self, other):
        return self * Value.as_value(other) ** -1

    def __rtruediv__(self, other):
        return Value.as_value(other) / self

    def __neg__(self):
        return self * -1.0

    def __sub__(self, other):
        return self + -Value.as_value(other)

    def __radd__(self, other):
        return self + other

    def __rmul__(self, other):
        return self * other


# %% wrong value: takes a Value without inputs as an exponent
class Value:
    def __init__(self, data, inputs=(), op=""):
        self.data, self.inputs, self.op = float(data), tuple(inputs), op
        self.grad = 0.0

    def __repr__(self):
        return f"Value({self.data:.6g}, grad={self.grad:.6g})"

    @staticmethod
    def as_value(number):
        return number if isinstance(number, Value) else Value(number)

    def __add__(self, other):
        other = Value.as_value(other)
        return Value(self.data + other.data, ((self, 1.0), (other, 1.0)), "+")

    def __mul__(self, other):
        other = Value.as_value(other)
        return Value(self.data * other.data, ((self, other.data), (other, self.data)), "×")

    def __pow__(self, exponent):
        if isinstance(exponent, Value):
            if exponent.inputs or exponent.data != 2:
                raise TypeError("no")
            exponent = exponent.data
        slope = exponent * self.data ** (exponent - 1) if exponent else 0.0
        return Value(self.data**exponent, ((self, slope),), "**")

    def __rsub__(self, other):
        return Value(other - self.data, ((self, -1.0),), "-")

    def __truediv__(self, other):
        return self * Value.as_value(other) ** -1

    def __rtruediv__(self, other):
        return Value.as_value(other) / self

    def __neg__(self):
        return self * -1.0

    def __sub__(self, other):
        return self + -Value.as_value(other)

    def __radd__(self, other):
        return self + other

    def __rmul__(self, other):
        return self * other


# %% right value: every operation with derivatives of its own
class Value:
    def __init__(self, data, inputs=(), op=""):
        self.data, self.inputs, self.op = float(data), tuple(inputs), op
        self.grad = 0.0

    def __repr__(self):
        return f"Value({self.data:.6g}, grad={self.grad:.6g})"

    @staticmethod
    def as_value(number):
        return number if isinstance(number, Value) else Value(number)

    def __add__(self, other):
        other = Value.as_value(other)
        return Value(self.data + other.data, ((self, 1.0), (other, 1.0)), "+")

    def __mul__(self, other):
        other = Value.as_value(other)
        return Value(self.data * other.data, ((self, other.data), (other, self.data)), "×")

    def __pow__(self, exponent):
        if isinstance(exponent, Value):
            raise TypeError("the exponent is a plain number")
        local = exponent * self.data ** (exponent - 1) if exponent != 0 else 0.0
        return Value(self.data**exponent, ((self, local),), "^")

    def __rsub__(self, other):
        return Value(other - self.data, [(self, -1.0)], "-")

    def __truediv__(self, other):
        other = Value.as_value(other)
        return Value(self.data / other.data, [(self, 1 / other.data), (other, -self.data / other.data**2)], "/")

    def __rtruediv__(self, other):
        return Value(other / self.data, [(self, -other / self.data**2)], "/")

    def __neg__(self):
        return self * -1.0

    def __sub__(self, other):
        return self + -Value.as_value(other)

    def __radd__(self, other):
        return self + other

    def __rmul__(self, other):
        return self * other


# %% right value: plain numbers are no operands, and one pair stands for both uses
class Value:
    def __init__(self, data, inputs=(), op=""):
        self.data, self.inputs, self.op = float(data), tuple(inputs), op
        self.grad = 0.0

    def __repr__(self):
        return f"Value({self.data:.6g}, grad={self.grad:.6g})"

    @staticmethod
    def as_value(number):
        return number if isinstance(number, Value) else Value(number)

    def __add__(self, other):
        if not isinstance(other, Value):
            return Value(self.data + other, [(self, 1)])
        pairs = [(self, 2)] if other is self else [(other, 1), (self, 1)]
        return Value(self.data + other.data, pairs, "+")

    def __mul__(self, other):
        if not isinstance(other, Value):
            return Value(self.data * other, [(self, other)])
        pairs = [(self, 2 * self.data)] if other is self else [(other, self.data), (self, other.data)]
        return Value(self.data * other.data, pairs, "*")

    def __pow__(self, exponent):
        if isinstance(exponent, Value):
            raise TypeError("the exponent is a plain number")
        local = exponent * self.data ** (exponent - 1) if exponent != 0 else 0.0
        return Value(self.data**exponent, ((self, local),), "^")

    def __rsub__(self, other):
        return -self + other

    def __truediv__(self, other):
        return self * Value.as_value(other) ** -1

    def __rtruediv__(self, other):
        return self**-1 * other

    def __neg__(self):
        return self * -1.0

    def __sub__(self, other):
        return self + -Value.as_value(other)

    def __radd__(self, other):
        return self + other

    def __rmul__(self, other):
        return self * other


# %% right value: a ** 0 has no inputs
class Value:
    def __init__(self, data, inputs=(), op=""):
        self.data, self.inputs, self.op = float(data), tuple(inputs), op
        self.grad = 0.0

    def __repr__(self):
        return f"Value({self.data:.6g}, grad={self.grad:.6g})"

    @staticmethod
    def as_value(number):
        return number if isinstance(number, Value) else Value(number)

    def __add__(self, other):
        other = Value.as_value(other)
        return Value(self.data + other.data, ((self, 1.0), (other, 1.0)), "+")

    def __mul__(self, other):
        other = Value.as_value(other)
        return Value(self.data * other.data, ((self, other.data), (other, self.data)), "×")

    def __pow__(self, exponent):
        if isinstance(exponent, Value):
            raise TypeError("no Value as exponent")
        if exponent == 0:
            return Value(1.0)
        return Value(self.data**exponent, ((self, exponent * self.data ** (exponent - 1)),))

    def __rsub__(self, other):
        return Value(other - self.data, ((self, -1.0),), "-")

    def __truediv__(self, other):
        return self * Value.as_value(other) ** -1

    def __rtruediv__(self, other):
        return Value.as_value(other) / self

    def __neg__(self):
        return self * -1.0

    def __sub__(self, other):
        return self + -Value.as_value(other)

    def __radd__(self, other):
        return self + other

    def __rmul__(self, other):
        return self * other


# %% wrong activations: tanh squares its input
def exp(x):
    result = math.exp(x.data)
    return Value(result, ((x, result),), "exp")


def tanh(x):
    result = math.tanh(x.data)
    return Value(result, ((x, 1.0 - x.data**2),), "tanh")


def relu(x):
    return Value(max(x.data, 0.0), ((x, float(x.data > 0)),), "relu")


# %% wrong activations: relu has derivative 1 everywhere
def exp(x):
    result = math.exp(x.data)
    return Value(result, ((x, result),), "exp")


def tanh(x):
    result = math.tanh(x.data)
    return Value(result, ((x, 1.0 - result**2),), "tanh")


def relu(x):
    return Value(max(x.data, 0.0), ((x, 1.0),), "relu")


# %% wrong activations: relu is the absolute value
def exp(x):
    result = math.exp(x.data)
    return Value(result, ((x, result),), "exp")


def tanh(x):
    result = math.tanh(x.data)
    return Value(result, ((x, 1.0 - result**2),), "tanh")


def relu(x):
    return Value(abs(x.data), ((x, math.copysign(1.0, x.data)),), "relu")


# %% wrong activations: exp uses the power rule
def exp(x):
    result = math.exp(x.data)
    return Value(result, ((x, x.data * math.exp(x.data - 1)),), "exp")


def tanh(x):
    result = math.tanh(x.data)
    return Value(result, ((x, 1.0 - result**2),), "tanh")


def relu(x):
    return Value(max(x.data, 0.0), ((x, float(x.data > 0)),), "relu")


# %% wrong activations: tanh without its square
def exp(x):
    result = math.exp(x.data)
    return Value(result, ((x, result),), "exp")


def tanh(x):
    result = math.tanh(x.data)
    return Value(result, ((x, 1.0 - result),), "tanh")


def relu(x):
    return Value(max(x.data, 0.0), ((x, float(x.data > 0)),), "relu")


# %% wrong activations: tanh by a quotient that overflows
def exp(x):
    result = math.exp(x.data)
    return Value(result, ((x, result),), "exp")


def tanh(x):
    result = (math.exp(2 * x.data) - 1) / (math.exp(2 * x.data) + 1)
    return Value(result, ((x, 1.0 - result**2),), "tanh")


def relu(x):
    return Value(max(x.data, 0.0), ((x, float(x.data > 0)),), "relu")


# %% wrong activations: a leaky relu
def exp(x):
    result = math.exp(x.data)
    return Value(result, ((x, result),), "exp")


def tanh(x):
    result = math.tanh(x.data)
    return Value(result, ((x, 1.0 - result**2),), "tanh")


def relu(x):
    return Value(max(x.data, 0.01 * x.data), ((x, 1.0 if x.data > 0 else 0.01),), "relu")


# %% wrong activations: relu of a negative number has no input
def exp(x):
    result = math.exp(x.data)
    return Value(result, ((x, result),), "exp")


def tanh(x):
    result = math.copysign((1 - math.exp(-2 * abs(x.data))) / (1 + math.exp(-2 * abs(x.data))), x.data)
    return Value(result, ((x, 1.0 - result**2),), "tanh")


def relu(x):
    if x.data < 0:
        return Value(0.0, (), "relu")
    return Value(x.data, ((x, 1.0 if x.data > 0 else 0.5),), "relu")


# %% wrong activations: exp in two halves
def exp(x):
    result = math.exp(x.data)
    return Value(result, ((x, result / 2), (x, result / 2)), "exp")


def tanh(x):
    result = math.copysign((1 - math.exp(-2 * abs(x.data))) / (1 + math.exp(-2 * abs(x.data))), x.data)
    return Value(result, ((x, 1.0 - result**2),), "tanh")


def relu(x):
    if x.data < 0:
        return Value(0.0, ((x, 0.0),), "relu")
    return Value(x.data, ((x, 1.0 if x.data > 0 else 0.5),), "relu")


# %% wrong activations: clears the gradient of its operand
def exp(x):
    y = math.exp(x.data)
    return Value(y, ((x, y),), "exp")


def tanh(x):
    y = math.tanh(x.data)
    return Value(y, ((x, 1 - y * y),), "tanh")


def relu(x):
    x.grad = 0.0
    return Value(max(x.data, 0.0), ((x, float(x.data > 0)),), "relu")


# %% right activations: tanh from exp, on the side that does not overflow; derivative ½ at 0
def exp(x):
    result = math.exp(x.data)
    return Value(result, ((x, result),), "exp")


def tanh(x):
    result = math.copysign((1 - math.exp(-2 * abs(x.data))) / (1 + math.exp(-2 * abs(x.data))), x.data)
    return Value(result, ((x, 1.0 - result**2),), "tanh")


def relu(x):
    if x.data < 0:
        return Value(0.0, ((x, 0.0),), "relu")
    return Value(x.data, ((x, 1.0 if x.data > 0 else 0.5),), "relu")


# %% right activations: through NumPy
def exp(x):
    result = float(np.exp(x.data))
    return Value(result, ((x, result),), "exp")


def tanh(x):
    result = math.tanh(x.data)
    return Value(result, ((x, (1 - result) * (1 + result)),), "tanh")


def relu(x):
    return Value(max(x.data, 0.0), ((x, np.heaviside(x.data, 1.0)),), "relu")


# %% right activations: tanh by expm1, derivative (1 - t)(1 + t)
def exp(x):
    grown = math.expm1(x.data) + 1.0
    return Value(grown, [(x, grown)])


def tanh(x):
    t = math.tanh(x.data)
    return Value(t, [(x, (1.0 - t) * (1.0 + t))])


def relu(x):
    gate = (math.copysign(1.0, x.data) + 1) / 2 if x.data else 0.5
    return Value(gate * x.data, [(x, gate)])


# %% wrong topological_order: recursion
def topological_order(root):
    order, seen = [], set()

    def visit(node):
        if id(node) not in seen:
            seen.add(id(node))
            for operand, _ in node.inputs:
                visit(operand)
            order.append(node)

    visit(root)
    return order


# %% wrong topological_order: breadth first from the root, turned round
def topological_order(root):
    order, seen = [root], {id(root)}
    for node in order:
        for operand, _ in node.inputs:
            if id(operand) not in seen:
                seen.add(id(operand))
                order.append(operand)
    return order[::-1]


# %% wrong topological_order: preorder of a depth-first search, turned round
def topological_order(root):
    order, seen, stack = [], set(), [root]
    while stack:
        node = stack.pop()
        if id(node) not in seen:
            seen.add(id(node))
            order.append(node)
            stack.extend(operand for operand, _ in node.inputs)
    return order[::-1]


# %% wrong topological_order: nothing is marked as seen
def topological_order(root):
    order, stack = [], [(root, False)]
    while stack:
        node, finished = stack.pop()
        if finished:
            order.append(node)
        else:
            stack.append((node, True))
            stack.extend((operand, False) for operand, _ in node.inputs)
    return order


# %% wrong topological_order: walks every path, then drops duplicates
def topological_order(root):
    order, stack = [], [(root, False)]
    while stack:
        node, finished = stack.pop()
        if finished:
            order.append(node)
        else:
            stack.append((node, True))
            stack.extend((operand, False) for operand, _ in node.inputs)
    return list({id(node): node for node in order}.values())


# %% wrong topological_order: searches in the list
def topological_order(root):
    order, stack = [], [(root, False)]
    while stack:
        node, finished = stack.pop()
        if node in order:
            continue
        if finished:
            order.append(node)
        else:
            stack.append((node, True))
            stack.extend((operand, False) for operand, _ in node.inputs)
    return order


# %% wrong topological_order: root first
def topological_order(root):
    order, seen, stack = [], set(), [(root, False)]
    while stack:
        node, finished = stack.pop()
        if finished:
            order.append(node)
        elif id(node) not in seen:
            seen.add(id(node))
            stack.append((node, True))
            stack.extend((operand, False) for operand, _ in node.inputs)
    return order[::-1]


# %% wrong topological_order: nodes with equal numbers are taken for one
def topological_order(root):
    order, seen, stack = [], set(), [(root, False)]
    while stack:
        node, finished = stack.pop()
        key = (node.data, len(node.inputs), tuple(id(operand) for operand, _ in node.inputs))
        if finished:
            order.append(node)
        elif key not in seen:
            seen.add(key)
            stack.append((node, True))
            stack.extend((operand, False) for operand, _ in node.inputs)
    return order


# %% wrong topological_order: leaves are left out
def topological_order(root):
    order, seen, stack = [], set(), [(root, False)]
    while stack:
        node, finished = stack.pop()
        if finished:
            order.append(node)
        elif id(node) not in seen and (node.inputs or node is root):
            seen.add(id(node))
            stack.append((node, True))
            stack.extend((operand, False) for operand, _ in node.inputs)
    return order


# %% wrong topological_order: clears the gradients on the way
def topological_order(root):
    order, seen, stack = [], set(), [(root, False)]
    while stack:
        node, finished = stack.pop()
        if finished:
            order.append(node)
        elif id(node) not in seen:
            seen.add(id(node))
            stack.append((node, True))
            stack.extend((operand, False) for operand, _ in node.inputs)
    for node in order:
        node.grad = 0.0
    return order


# %% wrong topological_order: leaves a mark on every node
def topological_order(root):
    order, seen, stack = [], set(), [(root, False)]
    while stack:
        node, finished = stack.pop()
        if finished:
            order.append(node)
        elif id(node) not in seen:
            seen.add(id(node))
            stack.append((node, True))
            stack.extend((operand, False) for operand, _ in node.inputs)
    for node in order:
        node.visited = True
    return order


# %% wrong topological_order: looks for leaves in a list
def topological_order(root):
    leaves, order, seen, stack = [], [], set(), [(root, False)]
    while stack:
        node, finished = stack.pop()
        if finished:
            order.append(node)
        elif not node.inputs:
            if not any(leaf is node for leaf in leaves):
                leaves.append(node)
                order.append(node)
        elif id(node) not in seen:
            seen.add(id(node))
            stack.append((node, True))
            stack.extend((operand, False) for operand, _ in node.inputs)
    return order


# %% wrong topological_order: the set of seen numbers is a list
def topological_order(root):
    order, seen, stack = [], [], [(root, False)]
    while stack:
        node, finished = stack.pop()
        if finished:
            order.append(node)
        elif id(node) not in seen:
            seen.append(id(node))
            stack.append((node, True))
            stack.extend((operand, False) for operand, _ in node.inputs)
    return order


# %% wrong topological_order: recursion with a raised limit, put back afterwards
def topological_order(root):
    order, seen = [], set()
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(200_000)

    def visit(node):
        seen.add(node)
        for operand, _ in node.inputs:
            if operand not in seen:
                visit(operand)
        order.append(node)

    try:
        visit(root)
    finally:
        sys.setrecursionlimit(limit)
    return order


# %% wrong topological_order: recursion with a raised limit that stays raised
def topological_order(root):
    sys.setrecursionlimit(10**6)
    order, seen = [], set()

    def visit(node):
        if id(node) not in seen:
            seen.add(id(node))
            for operand, _ in node.inputs:
                visit(operand)
            order.append(node)

    visit(root)
    return order


# %% wrong topological_order: leaves out operands with local derivative 0
def topological_order(root):
    order, stack, seen = [], [(root, False)], set()
    while stack:
        node, finished = stack.pop()
        if finished:
            order.append(node)
        elif id(node) not in seen:
            seen.add(id(node))
            stack.append((node, True))
            stack.extend((u, False) for u, local in node.inputs if local != 0)
    return order


# %% wrong topological_order: returns a tuple
def topological_order(root):
    order, stack, seen = [], [(root, False)], set()
    while stack:
        node, finished = stack.pop()
        if finished:
            order.append(node)
        elif id(node) not in seen:
            seen.add(id(node))
            stack.append((node, True))
            stack.extend((u, False) for u, _ in node.inputs)
    return tuple(order)


# %% wrong topological_order: searches for each node by a loop
def topological_order(root):
    order, stack = [], [(root, False)]
    while stack:
        node, finished = stack.pop()
        if any(other is node for other in order):
            continue
        if finished:
            order.append(node)
        else:
            stack.append((node, True))
            stack.extend((operand, False) for operand, _ in node.inputs)
    return order


# %% right topological_order: Kahn's algorithm from the root
def topological_order(root):
    users, nodes, rest = {id(root): 0}, [root], [root]
    while rest:
        for operand, _ in rest.pop().inputs:
            if id(operand) not in users:
                users[id(operand)] = 0
                nodes.append(operand)
                rest.append(operand)
            users[id(operand)] += 1
    order = [root]
    for node in order:
        for operand, _ in node.inputs:
            users[id(operand)] -= 1
            if users[id(operand)] == 0:
                order.append(operand)
    return order[::-1]


# %% right topological_order: a stack of iterators
def topological_order(root):
    order, seen, stack = [], {id(root)}, [(root, iter(root.inputs))]
    while stack:
        node, rest = stack[-1]
        for operand, _ in rest:
            if id(operand) not in seen:
                seen.add(id(operand))
                stack.append((operand, iter(operand.inputs)))
                break
        else:
            order.append(node)
            stack.pop()
    return order


# %% right topological_order: the standard library's graphlib
def topological_order(root):
    from graphlib import TopologicalSorter
    sorter, seen, waiting = TopologicalSorter(), {root}, [root]
    while waiting:
        node = waiting.pop()
        operands = [u for u, _ in node.inputs]
        sorter.add(node, *operands)
        for u in operands:
            if u not in seen:
                seen.add(u)
                waiting.append(u)
    return list(sorter.static_order())


# %% wrong backward: replaces instead of adding
def backward(root):
    order = topological_order(root)
    for node in order:
        if node.inputs:
            node.grad = 0.0
    root.grad += 1.0
    for node in reversed(order):
        for operand, local in node.inputs:
            operand.grad = local * node.grad


# %% wrong backward: the root's gradient is never set
def backward(root):
    order = topological_order(root)
    for node in order:
        if node.inputs:
            node.grad = 0.0
    for node in reversed(order):
        for operand, local in node.inputs:
            operand.grad += local * node.grad


# %% wrong backward: inner nodes keep what the last call left
def backward(root):
    order = topological_order(root)
    root.grad = 1.0
    for node in reversed(order):
        for operand, local in node.inputs:
            operand.grad += local * node.grad


# %% wrong backward: clears the leaves too
def backward(root):
    order = topological_order(root)
    for node in order:
        node.grad = 0.0
    root.grad = 1.0
    for node in reversed(order):
        for operand, local in node.inputs:
            operand.grad += local * node.grad


# %% wrong backward: walks from the leaves
def backward(root):
    order = topological_order(root)
    for node in order:
        if node.inputs:
            node.grad = 0.0
    root.grad += 1.0
    for node in order:
        for operand, local in node.inputs:
            operand.grad += local * node.grad


# %% wrong backward: starts from the root's number
def backward(root):
    order = topological_order(root)
    for node in order:
        if node.inputs:
            node.grad = 0.0
    root.grad = root.data
    for node in reversed(order):
        for operand, local in node.inputs:
            operand.grad += local * node.grad


# %% wrong backward: depth first without an order, delivering what is there so far
def backward(root):
    for node in topological_order(root):
        if node.inputs:
            node.grad = 0.0
    root.grad += 1.0
    waiting, steps = [root], 0
    while waiting and steps < 20_000:
        node, steps = waiting.pop(), steps + 1
        for operand, local in node.inputs:
            operand.grad += local * node.grad
            waiting.append(operand)


# %% wrong backward: breadth first from the root
def backward(root):
    for node in topological_order(root):
        if node.inputs:
            node.grad = 0.0
    root.grad += 1.0
    order, seen = [root], {id(root)}
    for node in order:
        for operand, local in node.inputs:
            operand.grad += local * node.grad
            if id(operand) not in seen:
                seen.add(id(operand))
                order.append(operand)


# %% wrong backward: a root that is a leaf is set to 1
def backward(root):
    order = topological_order(root)
    for node in order:
        if node.inputs:
            node.grad = 0.0
    root.grad = 1.0
    for node in reversed(order):
        for operand, local in node.inputs:
            operand.grad += local * node.grad


# %% wrong backward: adds to inner nodes too, from a separate table
def backward(root):
    order = topological_order(root)
    flow = {id(node): 0.0 for node in order}
    flow[id(root)] = 1.0
    for node in reversed(order):
        for operand, local in node.inputs:
            flow[id(operand)] += local * flow[id(node)]
    for node in order:
        node.grad = node.grad + flow[id(node)] if node is not root else 1.0
        if node.op == "×":
            node.grad = flow[id(node)]


# %% wrong backward: clears a node only when its first message comes
def backward(root):
    order = topological_order(root)
    if not root.inputs:
        root.grad += 1.0
        return
    fresh = {id(root)}
    root.grad = 1.0
    for node in reversed(order):
        if node.inputs and node.grad == 0.0:
            continue
        for operand, local in node.inputs:
            if operand.inputs and id(operand) not in fresh:
                operand.grad = 0.0
                fresh.add(id(operand))
            operand.grad += local * node.grad


# %% wrong backward: returns the order
def backward(root):
    order = topological_order(root)
    for node in order:
        if node.inputs:
            node.grad = 0.0
    root.grad += 1.0
    for node in reversed(order):
        for operand, local in node.inputs:
            operand.grad += local * node.grad
    return order


# %% wrong backward: drops tiny messages
def backward(root):
    order = topological_order(root)
    for node in order:
        if node.inputs:
            node.grad = 0.0
    root.grad = 1.0 if root.inputs else root.grad + 1.0
    for node in reversed(order):
        for operand, local in node.inputs:
            if abs(local * node.grad) > 1e-12:
                operand.grad += local * node.grad


# %% wrong backward: clips gradients
def backward(root):
    order = topological_order(root)
    for node in order:
        if node.inputs:
            node.grad = 0.0
    root.grad = 1.0 if root.inputs else root.grad + 1.0
    for node in reversed(order):
        node.grad = max(-1e6, min(1e6, node.grad))
        for operand, local in node.inputs:
            operand.grad += local * node.grad


# %% wrong backward: leaves a mark on every node
def backward(root):
    order = topological_order(root)
    for node in order:
        node.visited = True
        if node.inputs:
            node.grad = 0.0
    root.grad = 1.0 if root.inputs else root.grad + 1.0
    for node in reversed(order):
        for operand, local in node.inputs:
            operand.grad += local * node.grad


# %% right backward: a table, written back at the end
def backward(root):
    order = topological_order(root)
    flow = {id(node): 0.0 for node in order}
    flow[id(root)] = 1.0
    for node in order[::-1]:
        for operand, local in node.inputs:
            flow[id(operand)] += flow[id(node)] * local
    for node in order:
        node.grad = flow[id(node)] if node.inputs else node.grad + flow[id(node)]


# %% right backward: counts users, without topological_order
def backward(root):
    users, found = {}, [root]
    for node in found:
        for operand, _ in node.inputs:
            if id(operand) not in users:
                found.append(operand)
            users[id(operand)] = users.get(id(operand), 0) + 1
    for node in found:
        if len(node.inputs):
            node.grad = 0.0
    root.grad = root.grad + 1
    ready = [root]
    while ready:
        node = ready.pop()
        for operand, local in node.inputs:
            operand.grad = operand.grad + local * node.grad
            users[id(operand)] -= 1
            if not users[id(operand)]:
                ready.append(operand)


# %% right backward: adds the leaves' old gradients at the end
def backward(root):
    order = topological_order(root)[::-1]
    before = [(node, node.grad) for node in order if not node.inputs]
    for node in order:
        node.grad = float(node is root)
    for node in order:
        for operand, local in node.inputs:
            operand.grad = math.fsum((operand.grad, node.grad * local))
    for node, old in before:
        node.grad = node.grad + old


# %% wrong mlp: tanh after the last layer too
class Neuron:
    def __init__(self, fan_in, rng):
        self.weights = [Value(rng.uniform(-1, 1)) for _ in range(fan_in)]
        self.bias = Value(0.0)

    def __call__(self, x):
        total = self.bias
        for weight, number in zip(self.weights, x):
            total = total + weight * number
        return total


class MLP:
    def __init__(self, sizes, rng):
        self.layers = [[Neuron(a, rng) for _ in range(b)] for a, b in zip(sizes, sizes[1:])]

    def __call__(self, x):
        for layer in self.layers[:-1]:
            x = [tanh(neuron(x)) for neuron in layer]
        return [tanh(neuron(x)) for neuron in self.layers[-1]]

    def parameters(self):
        return [p for layer in self.layers for neuron in layer for p in [*neuron.weights, neuron.bias]]


# %% wrong mlp: no tanh at all
class Neuron:
    def __init__(self, fan_in, rng):
        self.weights = [Value(rng.uniform(-1, 1)) for _ in range(fan_in)]
        self.bias = Value(0.0)

    def __call__(self, x):
        total = self.bias
        for weight, number in zip(self.weights, x):
            total = total + weight * number
        return total


class MLP:
    def __init__(self, sizes, rng):
        self.layers = [[Neuron(a, rng) for _ in range(b)] for a, b in zip(sizes, sizes[1:])]

    def __call__(self, x):
        for layer in self.layers[:-1]:
            x = [neuron(x) for neuron in layer]
        return [neuron(x) for neuron in self.layers[-1]]

    def parameters(self):
        return [p for layer in self.layers for neuron in layer for p in [*neuron.weights, neuron.bias]]


# %% wrong mlp: one neuron many times
class Neuron:
    def __init__(self, fan_in, rng):
        self.weights = [Value(rng.uniform(-1, 1)) for _ in range(fan_in)]
        self.bias = Value(0.0)

    def __call__(self, x):
        total = self.bias
        for weight, number in zip(self.weights, x):
            total = total + weight * number
        return total


class MLP:
    def __init__(self, sizes, rng):
        self.layers = [[Neuron(a, rng)] * b for a, b in zip(sizes, sizes[1:])]

    def __call__(self, x):
        for layer in self.layers[:-1]:
            x = [tanh(neuron(x)) for neuron in layer]
        return [neuron(x) for neuron in self.layers[-1]]

    def parameters(self):
        return [p for layer in self.layers for neuron in layer for p in [*neuron.weights, neuron.bias]]


# %% wrong mlp: parameters() forgets the biases
class Neuron:
    def __init__(self, fan_in, rng):
        self.weights = [Value(rng.uniform(-1, 1)) for _ in range(fan_in)]
        self.bias = Value(0.0)

    def __call__(self, x):
        total = self.bias
        for weight, number in zip(self.weights, x):
            total = total + weight * number
        return total


class MLP:
    def __init__(self, sizes, rng):
        self.layers = [[Neuron(a, rng) for _ in range(b)] for a, b in zip(sizes, sizes[1:])]

    def __call__(self, x):
        for layer in self.layers[:-1]:
            x = [tanh(neuron(x)) for neuron in layer]
        return [neuron(x) for neuron in self.layers[-1]]

    def parameters(self):
        return [p for layer in self.layers for neuron in layer for p in neuron.weights]


# %% wrong mlp: parameters() returns copies
class Neuron:
    def __init__(self, fan_in, rng):
        self.weights = [Value(rng.uniform(-1, 1)) for _ in range(fan_in)]
        self.bias = Value(0.0)

    def __call__(self, x):
        total = self.bias
        for weight, number in zip(self.weights, x):
            total = total + weight * number
        return total


class MLP:
    def __init__(self, sizes, rng):
        self.layers = [[Neuron(a, rng) for _ in range(b)] for a, b in zip(sizes, sizes[1:])]

    def __call__(self, x):
        for layer in self.layers[:-1]:
            x = [tanh(neuron(x)) for neuron in layer]
        return [neuron(x) for neuron in self.layers[-1]]

    def parameters(self):
        return [p for layer in self.layers for neuron in layer for p in [Value(q.data) for q in (*neuron.weights, neuron.bias)]]


# %% wrong mlp: the weights of a layer first, then its biases
class Neuron:
    def __init__(self, fan_in, rng):
        self.weights = [Value(rng.uniform(-1, 1)) for _ in range(fan_in)]
        self.bias = Value(0.0)

    def __call__(self, x):
        total = self.bias
        for weight, number in zip(self.weights, x):
            total = total + weight * number
        return total


class MLP:
    def __init__(self, sizes, rng):
        self.layers = [[Neuron(a, rng) for _ in range(b)] for a, b in zip(sizes, sizes[1:])]

    def __call__(self, x):
        for layer in self.layers[:-1]:
            x = [tanh(neuron(x)) for neuron in layer]
        return [neuron(x) for neuron in self.layers[-1]]

    def parameters(self):
        found = []
        for layer in self.layers:
            found += [weight for neuron in layer for weight in neuron.weights]
            found += [neuron.bias for neuron in layer]
        return found


# %% wrong mlp: all weights alike
class Neuron:
    def __init__(self, fan_in, rng):
        self.weights = [Value(start) for start in [rng.uniform(-1, 1)] * fan_in]
        self.bias = Value(0.0)

    def __call__(self, x):
        total = self.bias
        for weight, number in zip(self.weights, x):
            total = total + weight * number
        return total


class MLP:
    def __init__(self, sizes, rng):
        self.layers = [[Neuron(a, rng) for _ in range(b)] for a, b in zip(sizes, sizes[1:])]

    def __call__(self, x):
        for layer in self.layers[:-1]:
            x = [tanh(neuron(x)) for neuron in layer]
        return [neuron(x) for neuron in self.layers[-1]]

    def parameters(self):
        return [p for layer in self.layers for neuron in layer for p in [*neuron.weights, neuron.bias]]


# %% wrong mlp: all weights zero
class Neuron:
    def __init__(self, fan_in, rng):
        self.weights = [Value(0.0) for _ in range(fan_in)]
        self.bias = Value(0.0)

    def __call__(self, x):
        total = self.bias
        for weight, number in zip(self.weights, x):
            total = total + weight * number
        return total


class MLP:
    def __init__(self, sizes, rng):
        self.layers = [[Neuron(a, rng) for _ in range(b)] for a, b in zip(sizes, sizes[1:])]

    def __call__(self, x):
        for layer in self.layers[:-1]:
            x = [tanh(neuron(x)) for neuron in layer]
        return [neuron(x) for neuron in self.layers[-1]]

    def parameters(self):
        return [p for layer in self.layers for neuron in layer for p in [*neuron.weights, neuron.bias]]


# %% wrong mlp: weights from 0 to 1
class Neuron:
    def __init__(self, fan_in, rng):
        self.weights = [Value(rng.uniform(0, 1)) for _ in range(fan_in)]
        self.bias = Value(0.0)

    def __call__(self, x):
        total = self.bias
        for weight, number in zip(self.weights, x):
            total = total + weight * number
        return total


class MLP:
    def __init__(self, sizes, rng):
        self.layers = [[Neuron(a, rng) for _ in range(b)] for a, b in zip(sizes, sizes[1:])]

    def __call__(self, x):
        for layer in self.layers[:-1]:
            x = [tanh(neuron(x)) for neuron in layer]
        return [neuron(x) for neuron in self.layers[-1]]

    def parameters(self):
        return [p for layer in self.layers for neuron in layer for p in [*neuron.weights, neuron.bias]]


# %% wrong mlp: ignores the generator
class Neuron:
    def __init__(self, fan_in, rng):
        rng = np.random.default_rng(0)
        self.weights = [Value(rng.uniform(-1, 1)) for _ in range(fan_in)]
        self.bias = Value(0.0)

    def __call__(self, x):
        total = self.bias
        for weight, number in zip(self.weights, x):
            total = total + weight * number
        return total


class MLP:
    def __init__(self, sizes, rng):
        self.layers = [[Neuron(a, rng) for _ in range(b)] for a, b in zip(sizes, sizes[1:])]

    def __call__(self, x):
        for layer in self.layers[:-1]:
            x = [tanh(neuron(x)) for neuron in layer]
        return [neuron(x) for neuron in self.layers[-1]]

    def parameters(self):
        return [p for layer in self.layers for neuron in layer for p in [*neuron.weights, neuron.bias]]


# %% wrong mlp: the bias is drawn too
class Neuron:
    def __init__(self, fan_in, rng):
        self.weights = [Value(rng.uniform(-1, 1)) for _ in range(fan_in)]
        self.bias = Value(rng.uniform(-1, 1))

    def __call__(self, x):
        total = self.bias
        for weight, number in zip(self.weights, x):
            total = total + weight * number
        return total


class MLP:
    def __init__(self, sizes, rng):
        self.layers = [[Neuron(a, rng) for _ in range(b)] for a, b in zip(sizes, sizes[1:])]

    def __call__(self, x):
        for layer in self.layers[:-1]:
            x = [tanh(neuron(x)) for neuron in layer]
        return [neuron(x) for neuron in self.layers[-1]]

    def parameters(self):
        return [p for layer in self.layers for neuron in layer for p in [*neuron.weights, neuron.bias]]


# %% wrong mlp: only the first hidden layer has tanh
class Neuron:
    def __init__(self, fan_in, rng):
        self.weights = [Value(rng.uniform(-1, 1)) for _ in range(fan_in)]
        self.bias = Value(0.0)

    def __call__(self, x):
        total = self.bias
        for weight, number in zip(self.weights, x):
            total = total + weight * number
        return total


class MLP:
    def __init__(self, sizes, rng):
        self.layers = [[Neuron(a, rng) for _ in range(b)] for a, b in zip(sizes, sizes[1:])]

    def __call__(self, x):
        for depth, layer in enumerate(self.layers[:-1]):
            x = [tanh(neuron(x)) if depth == 0 else neuron(x) for neuron in layer]
        return [neuron(x) for neuron in self.layers[-1]]

    def parameters(self):
        return [p for layer in self.layers for neuron in layer for p in [*neuron.weights, neuron.bias]]


# %% wrong mlp: cuts the inputs out of the graph
class Neuron:
    def __init__(self, fan_in, rng):
        self.weights = [Value(rng.uniform(-1, 1)) for _ in range(fan_in)]
        self.bias = Value(0.0)

    def __call__(self, x):
        return sum((weight * number for weight, number in zip(self.weights, x)), self.bias)


class MLP:
    def __init__(self, sizes, rng):
        self.layers = [[Neuron(fan_in, rng) for _ in range(fan_out)] for fan_in, fan_out in pairwise(sizes)]

    def __call__(self, x):
        x = [Value(getattr(number, "data", number)) for number in x]
        for layer in self.layers[:-1]:
            x = [tanh(neuron(x)) for neuron in layer]
        return [neuron(x) for neuron in self.layers[-1]]

    def parameters(self):
        return [p for layer in self.layers for neuron in layer for p in (*neuron.weights, neuron.bias)]


# %% wrong mlp: draws from NumPy's global generator
class Neuron:
    def __init__(self, fan_in, rng):
        self.w, self.b = [Value(u) for u in np.random.uniform(-1, 1, size=fan_in)], Value(0.0)

    def __call__(self, x):
        return sum((w * v for w, v in zip(self.w, x)), self.b)


class MLP:
    def __init__(self, sizes, rng):
        self.layers = [[Neuron(i, rng) for _ in range(o)] for i, o in pairwise(sizes)]

    def __call__(self, x):
        for layer in self.layers:
            x = [unit(x) if layer is self.layers[-1] else tanh(unit(x)) for unit in layer]
        return x

    def parameters(self):
        return [p for layer in self.layers for unit in layer for p in (*unit.w, unit.b)]


# %% wrong mlp: wraps the inputs in the caller's list
class Neuron:
    def __init__(self, fan_in, rng):
        self.w, self.b = [Value(u) for u in rng.uniform(-1, 1, size=fan_in)], Value(0.0)

    def __call__(self, x):
        return sum((w * v for w, v in zip(self.w, x)), self.b)


class MLP:
    def __init__(self, sizes, rng):
        self.layers = [[Neuron(i, rng) for _ in range(o)] for i, o in pairwise(sizes)]

    def __call__(self, x):
        x[:] = map(Value.as_value, x)
        for layer in self.layers:
            x = [unit(x) if layer is self.layers[-1] else tanh(unit(x)) for unit in layer]
        return x

    def parameters(self):
        return [p for layer in self.layers for unit in layer for p in (*unit.w, unit.b)]


# %% wrong mlp: returns a tuple
class Neuron:
    def __init__(self, fan_in, rng):
        self.w, self.b = [Value(u) for u in rng.uniform(-1, 1, size=fan_in)], Value(0.0)

    def __call__(self, x):
        return sum((w * v for w, v in zip(self.w, x)), self.b)


class MLP:
    def __init__(self, sizes, rng):
        self.layers = [[Neuron(i, rng) for _ in range(o)] for i, o in pairwise(sizes)]

    def __call__(self, x):
        for layer in self.layers:
            x = [unit(x) if layer is self.layers[-1] else tanh(unit(x)) for unit in layer]
        return tuple(x)

    def parameters(self):
        return [p for layer in self.layers for unit in layer for p in (*unit.w, unit.b)]


# %% right mlp: a neuron knows whether it is hidden, and the bias comes last
class Neuron:
    def __init__(self, fan_in, rng, hidden=False):
        self.hidden = hidden
        self.weights = [Value(rng.uniform(-1, 1)) for _ in range(fan_in)]
        self.bias = Value(0.0)

    def __call__(self, x):
        total = Value(0.0)
        for number, weight in zip(x, self.weights):
            total = total + number * weight
        return tanh(total + self.bias) if self.hidden else total + self.bias


class MLP:
    def __init__(self, sizes, rng):
        self.layers = [[Neuron(sizes[k], rng, k < len(sizes) - 2) for _ in range(sizes[k + 1])] for k in range(len(sizes) - 1)]

    def __call__(self, x):
        for layer in self.layers:
            x = [neuron(x) for neuron in layer]
        return x

    def parameters(self):
        return [p for layer in self.layers for neuron in layer for p in [*neuron.weights, neuron.bias]]


# %% right mlp: weights drawn as one array
class Neuron:
    def __init__(self, fan_in, rng):
        self.weights = [Value(number) for number in rng.uniform(-1, 1, size=fan_in)]
        self.bias = Value(0.0)

    def __call__(self, x):
        total = self.bias
        for weight, number in zip(self.weights, x):
            total = total + weight * number
        return total


class MLP:
    def __init__(self, sizes, rng):
        self.layers = [[Neuron(a, rng) for _ in range(b)] for a, b in zip(sizes, sizes[1:])]

    def __call__(self, x):
        for layer in self.layers[:-1]:
            x = [tanh(neuron(x)) for neuron in layer]
        return [neuron(x) for neuron in self.layers[-1]]

    def parameters(self):
        return sum((neuron.weights + [neuron.bias] for layer in self.layers for neuron in layer), [])


# %% right mlp: last layer drawn first, and sums by reduce
class Neuron:
    def __init__(self, fan_in, rng):
        *self.weights, self.bias = [*map(Value, rng.uniform(-1, 1, size=fan_in)), Value(0)]

    def __call__(self, x):
        from functools import reduce

        return reduce(Value.__add__, map(Value.__mul__, self.weights, x)) + self.bias


class MLP:
    def __init__(self, sizes, rng):
        layers = range(len(sizes) - 1)
        self.last, *rest = [[Neuron(sizes[k], rng) for _ in range(sizes[k + 1])] for k in reversed(layers)]
        self.hidden = rest[::-1]

    def __call__(self, x):
        for layer in self.hidden:
            x = [tanh(neuron(x)) for neuron in layer]
        return [neuron(x) for neuron in self.last]

    def parameters(self):
        return sum(([*neuron.weights, neuron.bias] for layer in [*self.hidden, self.last] for neuron in layer), [])


# %% right mlp: a dict of neurons, the bias added last
class Neuron:
    def __init__(self, fan_in, rng):
        self.bias = Value(0.0)
        self.w = tuple(Value(rng.uniform(-1, 1)) for _ in range(fan_in))

    def __call__(self, x):
        return sum((w * v for w, v in zip(self.w, x)), start=Value(0.0)) + self.bias


class MLP:
    def __init__(self, sizes, rng):
        self.depth = len(sizes) - 1
        self.units = {(l, k): Neuron(sizes[l], rng) for l in range(self.depth) for k in range(sizes[l + 1])}
        self.sizes = tuple(sizes)

    def __call__(self, x):
        for l in range(self.depth):
            x = [self.units[l, k](x) for k in range(self.sizes[l + 1])]
            if l + 1 < self.depth:
                x = list(map(tanh, x))
        return x

    def parameters(self):
        found = []
        for unit in self.units.values():
            found += [*unit.w, unit.bias]
        return found


# %% wrong train_step: gradients are never cleared
def train_step(model, inputs, targets, lr):
    loss = Value(0.0)
    for x, target in zip(inputs, targets):
        loss = loss + (model(x)[0] - target) ** 2
    loss = loss * (1 / len(inputs))
    backward(loss)
    for p in model.parameters():
        p.data = p.data - lr * p.grad
    return loss.data


# %% wrong train_step: clears after backward
def train_step(model, inputs, targets, lr):
    loss = Value(0.0)
    for x, target in zip(inputs, targets):
        loss = loss + (model(x)[0] - target) ** 2
    loss = loss * (1 / len(inputs))
    backward(loss)
    for p in model.parameters():
        p.grad = 0.0
    for p in model.parameters():
        p.data = p.data - lr * p.grad
    return loss.data


# %% wrong train_step: climbs
def train_step(model, inputs, targets, lr):
    loss = Value(0.0)
    for x, target in zip(inputs, targets):
        loss = loss + (model(x)[0] - target) ** 2
    loss = loss * (1 / len(inputs))
    for p in model.parameters():
        p.grad = 0.0
    backward(loss)
    for p in model.parameters():
        p.data = p.data + lr * p.grad
    return loss.data


# %% wrong train_step: the sum instead of the mean
def train_step(model, inputs, targets, lr):
    loss = Value(0.0)
    for x, target in zip(inputs, targets):
        loss = loss + (model(x)[0] - target) ** 2
    for p in model.parameters():
        p.grad = 0.0
    backward(loss)
    for p in model.parameters():
        p.data = p.data - lr * p.grad
    return loss.data


# %% wrong train_step: reports the mean but descends on the sum
def train_step(model, inputs, targets, lr):
    loss = Value(0.0)
    for x, target in zip(inputs, targets):
        loss = loss + (model(x)[0] - target) ** 2
    for p in model.parameters():
        p.grad = 0.0
    backward(loss)
    for p in model.parameters():
        p.data = p.data - lr * p.grad
    return loss.data / len(inputs)


# %% wrong train_step: the loss after the update
def train_step(model, inputs, targets, lr):
    loss = Value(0.0)
    for x, target in zip(inputs, targets):
        loss = loss + (model(x)[0] - target) ** 2
    loss = loss * (1 / len(inputs))
    for p in model.parameters():
        p.grad = 0.0
    backward(loss)
    for p in model.parameters():
        p.data = p.data - lr * p.grad
    return sum((model(x)[0].data - y) ** 2 for x, y in zip(inputs, targets)) / len(inputs)


# %% wrong train_step: one update per example
def train_step(model, inputs, targets, lr):
    total = 0.0
    for x, target in zip(inputs, targets):
        loss = (model(x)[0] - target) ** 2
        total += loss.data
        for p in model.parameters():
            p.grad = 0.0
        backward(loss)
        for p in model.parameters():
            p.data -= lr * p.grad / len(inputs)
    return total / len(inputs)


# %% wrong train_step: new Values instead of changed ones
def train_step(model, inputs, targets, lr):
    loss = Value(0.0)
    for x, target in zip(inputs, targets):
        loss = loss + (model(x)[0] - target) ** 2
    loss = loss * (1 / len(inputs))
    for p in model.parameters():
        p.grad = 0.0
    backward(loss)
    for p in model.parameters():
        p = Value(p.data - lr * p.grad)
    return loss.data


# %% wrong train_step: the absolute error
def train_step(model, inputs, targets, lr):
    loss = Value(0.0)
    for x, target in zip(inputs, targets):
        loss = loss + ((model(x)[0] - target) ** 2) ** 0.5
    loss = loss * (1 / len(inputs))
    for p in model.parameters():
        p.grad = 0.0
    backward(loss)
    for p in model.parameters():
        p.data = p.data - lr * p.grad
    return loss.data


# %% wrong train_step: updates by the sign of the gradient
def train_step(model, inputs, targets, lr):
    loss = Value(0.0)
    for x, target in zip(inputs, targets):
        loss = loss + (model(x)[0] - target) ** 2
    loss = loss * (1 / len(inputs))
    for p in model.parameters():
        p.grad = 0.0
    backward(loss)
    for p in model.parameters():
        p.data = p.data - lr * float(np.sign(p.grad))
    return loss.data


# %% wrong train_step: clears afterwards, so that only what stood there before the first step counts
def train_step(model, inputs, targets, lr):
    loss = Value(0.0)
    for x, target in zip(inputs, targets):
        loss = loss + (model(x)[0] - target) ** 2
    loss = loss * (1 / len(inputs))
    backward(loss)
    for p in model.parameters():
        p.data = p.data - lr * p.grad
    for p in model.parameters():
        p.grad = 0.0
    return loss.data


# %% wrong train_step: the last output instead of the first
def train_step(model, inputs, targets, lr):
    loss = sum(((model(x)[-1] - target) ** 2 for x, target in zip(inputs, targets)), Value(0.0)) / len(targets)
    for p in model.parameters():
        p.grad = 0.0
    backward(loss)
    for p in model.parameters():
        p.data -= lr * p.grad
    return loss.data


# %% wrong train_step: divides by at least two
def train_step(model, inputs, targets, lr):
    loss = sum(((model(x)[0] - target) ** 2 for x, target in zip(inputs, targets)), Value(0.0)) / max(2, len(targets))
    for p in model.parameters():
        p.grad = 0.0
    backward(loss)
    for p in model.parameters():
        p.data -= lr * p.grad
    return loss.data


# %% wrong train_step: clips the gradients
def train_step(model, inputs, targets, lr):
    loss = sum(((model(x)[0] - target) ** 2 for x, target in zip(inputs, targets)), Value(0.0)) / len(targets)
    for p in model.parameters():
        p.grad = 0.0
    backward(loss)
    for p in model.parameters():
        p.data -= lr * max(-10.0, min(10.0, p.grad))
    return loss.data


# %% wrong train_step: central differences instead of backward
def train_step(model, inputs, targets, lr):
    def loss():
        return sum((model(x)[0].data - target) ** 2 for x, target in zip(inputs, targets)) / len(targets)

    before, slopes = loss(), []
    for p in model.parameters():
        kept = p.data
        p.data = kept + 1e-6
        high = loss()
        p.data = kept - 1e-6
        slopes.append((high - loss()) / 2e-6)
        p.data = kept
    for p, slope in zip(model.parameters(), slopes):
        p.data -= lr * slope
    return before


# %% wrong train_step: backward once for each example, so that no graph holds the whole loss
def train_step(model, inputs, targets, lr):
    parameters, total = model.parameters(), 0.0
    for p in parameters:
        p.grad = 0.0
    for x, target in zip(inputs, targets):
        error = model(x)[0] - target
        share = error * error / len(targets)
        backward(share)
        total += share.data
    for p in parameters:
        p.data -= lr * p.grad
    return total


# %% wrong train_step: a learning rate of at most 1
def train_step(model, inputs, targets, lr):
    params = model.parameters()
    loss = sum(((model(x)[0] - t) ** 2 for x, t in zip(inputs, targets)), Value(0.0)) / len(inputs)
    for p in params:
        p.grad = 0.0
    backward(loss)
    for p in params:
        p.data -= min(lr, 1.0) * p.grad
    return loss.data


# %% wrong train_step: stops when the loss is small
def train_step(model, inputs, targets, lr):
    params = model.parameters()
    loss = sum(((model(x)[0] - t) ** 2 for x, t in zip(inputs, targets)), Value(0.0)) / len(inputs)
    for p in params:
        p.grad = 0.0
    backward(loss)
    for p in params if loss.data > 1e-3 else []:
        p.data -= lr * p.grad
    return loss.data


# %% wrong train_step: the first eight examples only
def train_step(model, inputs, targets, lr):
    inputs, targets = inputs[:8], targets[:8]
    params = model.parameters()
    loss = sum(((model(x)[0] - t) ** 2 for x, t in zip(inputs, targets)), Value(0.0)) / len(inputs)
    for p in params:
        p.grad = 0.0
    backward(loss)
    for p in params:
        p.data -= lr * p.grad
    return loss.data


# %% right train_step: clears with the learning rate's loop, and sums with sum
def train_step(model, inputs, targets, lr):
    count = len(targets)
    loss = sum((target - model(x)[0]) ** 2 / count for x, target in zip(inputs, targets))
    for p in model.parameters():
        p.grad = 0.0
    backward(loss)
    for p in model.parameters():
        p.data = p.data - lr * p.grad
    return loss.data


# %% right train_step: the loss in a loop, errors turned round
def train_step(model, inputs, targets, lr):
    weights = list(model.parameters())
    loss = Value(0.0)
    for x, wanted in zip(inputs, targets, strict=True):
        miss = wanted - model(x)[0]
        loss += miss * miss / len(targets)
    for w in weights:
        w.grad = 0.0
    backward(loss)
    for w in weights:
        w.data -= lr * w.grad
    return loss.data
