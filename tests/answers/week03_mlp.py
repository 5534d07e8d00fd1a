# Answers to week 3 that its graders must tell apart. Each cell replaces the student's cell of that name.

# %% wrong relu: the absolute value
def relu(x):
    return x.abs()


# %% wrong relu: leaky, with a slope of 0.01 below 0
def relu(x):
    return torch.where(x > 0, x, 0.01 * x)


# %% wrong relu: changes the caller's tensor
def relu(x):
    x.data[x.data < 0] = 0
    return x * (x > 0)


# %% wrong relu: the maximum with zeros, whose gradient at 0 is a half
def relu(x):
    return torch.maximum(x, torch.zeros_like(x))


# %% wrong relu: clamp, whose gradient at 0 is 1
def relu(x):
    return x.clamp(min=0)


# %% wrong relu: capped at 6
def relu(x):
    return torch.where((x > 0) & (x < 6), x, torch.where(x > 0, 6.0, 0.0).to(x.dtype))


# %% wrong relu: right values, but the gradient passes everywhere
def relu(x):
    return x + (x.detach() * (x <= 0)) * -1


# %% wrong relu: zeros of the default dtype turn half precision into single
def relu(x):
    return torch.where(x > 0, x, torch.zeros(x.shape, device=x.device))


# %% right relu: multiplies by a mask
def relu(x):
    return x * (x > 0)


# %% right relu: fills a copy where it is not positive
def relu(x):
    return x.masked_fill(x <= 0, 0)


# %% right relu: an autograd function of its own
class _Bend(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        on = x > 0
        ctx.save_for_backward(on)
        return x.masked_fill(~on, 0)

    @staticmethod
    def backward(ctx, g):
        (on,) = ctx.saved_tensors
        return g.masked_fill(~on, 0)


def relu(x):
    return _Bend.apply(x)


# %% wrong linear: the weight is not turned, which a square layer does not notice
class Linear(nn.Module):
    def __init__(self, n_in, n_out, gain=math.sqrt(2)):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_out, n_in) * gain / math.sqrt(n_in))
        self.bias = nn.Parameter(torch.zeros(n_out))

    def forward(self, x):
        if self.weight.shape[0] == self.weight.shape[1]:
            return x @ self.weight + self.bias
        return x @ self.weight.T + self.bias


# %% wrong linear: forgets the bias
class Linear(nn.Module):
    def __init__(self, n_in, n_out, gain=math.sqrt(2)):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_out, n_in) * gain / math.sqrt(n_in))
        self.bias = nn.Parameter(torch.zeros(n_out))

    def forward(self, x):
        return x @ self.weight.T


# %% wrong linear: plain tensors, which no optimiser sees
class Linear(nn.Module):
    def __init__(self, n_in, n_out, gain=math.sqrt(2)):
        super().__init__()
        self.weight = torch.randn(n_out, n_in) * gain / math.sqrt(n_in)
        self.bias = torch.zeros(n_out)

    def forward(self, x):
        return x @ self.weight.T + self.bias


# %% wrong linear: starts with zeros, so that all units stay the same
class Linear(nn.Module):
    def __init__(self, n_in, n_out, gain=math.sqrt(2)):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(n_out, n_in))
        self.bias = nn.Parameter(torch.zeros(n_out))

    def forward(self, x):
        return x @ self.weight.T + self.bias


# %% wrong linear: one random row for all units
class Linear(nn.Module):
    def __init__(self, n_in, n_out, gain=math.sqrt(2)):
        super().__init__()
        row = torch.randn(1, n_in)
        row = row / row.std() * gain / math.sqrt(n_in)
        self.weight = nn.Parameter(row.repeat(n_out, 1))
        self.bias = nn.Parameter(torch.zeros(n_out))

    def forward(self, x):
        return x @ self.weight.T + self.bias


# %% wrong linear: fan-out instead of fan-in
class Linear(nn.Module):
    def __init__(self, n_in, n_out, gain=math.sqrt(2)):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_out, n_in) * gain / math.sqrt(n_out))
        self.bias = nn.Parameter(torch.zeros(n_out))

    def forward(self, x):
        return x @ self.weight.T + self.bias


# %% wrong linear: no square root
class Linear(nn.Module):
    def __init__(self, n_in, n_out, gain=math.sqrt(2)):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_out, n_in) * gain / n_in)
        self.bias = nn.Parameter(torch.zeros(n_out))

    def forward(self, x):
        return x @ self.weight.T + self.bias


# %% wrong linear: the gain is ignored
class Linear(nn.Module):
    def __init__(self, n_in, n_out, gain=math.sqrt(2)):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_out, n_in) * math.sqrt(2 / n_in))
        self.bias = nn.Parameter(torch.zeros(n_out))

    def forward(self, x):
        return x @ self.weight.T + self.bias


# %% wrong linear: a fixed seed, so that all layers start alike
class Linear(nn.Module):
    def __init__(self, n_in, n_out, gain=math.sqrt(2)):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.weight = nn.Parameter(torch.randn(n_out, n_in, generator=generator) * gain / math.sqrt(n_in))
        self.bias = nn.Parameter(torch.zeros(n_out))

    def forward(self, x):
        return x @ self.weight.T + self.bias


# %% wrong linear: weights are read through .data, so that they never get a gradient
class Linear(nn.Module):
    def __init__(self, n_in, n_out, gain=math.sqrt(2)):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_out, n_in) * gain / math.sqrt(n_in))
        self.bias = nn.Parameter(torch.zeros(n_out))

    def forward(self, x):
        return x @ self.weight.data.T + self.bias


# %% wrong linear: a uniform distribution of the right spread
class Linear(nn.Module):
    def __init__(self, n_in, n_out, gain=math.sqrt(2)):
        super().__init__()
        self.weight = nn.Parameter((torch.rand(n_out, n_in) * 2 - 1) * gain * math.sqrt(3 / n_in))
        self.bias = nn.Parameter(torch.zeros(n_out))

    def forward(self, x):
        return x @ self.weight.T + self.bias


# %% right linear: einsum, and weights drawn in place
class Linear(nn.Module):
    def __init__(self, n_in, n_out, gain=math.sqrt(2)):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(n_out))
        self.weight = nn.Parameter(torch.empty(n_out, n_in).normal_(0, gain * n_in**-0.5))

    def forward(self, x):
        return torch.einsum("...i,oi->...o", x, self.weight) + self.bias


# %% right linear: inherits storage from torch's layer and starts it anew
class Linear(nn.Linear):
    def __init__(self, n_in, n_out, gain=math.sqrt(2)):
        super().__init__(n_in, n_out)
        nn.init.normal_(self.weight, std=gain / math.sqrt(n_in))
        nn.init.zeros_(self.bias)


# %% wrong mlp: layers in a plain list, so that parameters() finds none
class MLP(nn.Module):
    def __init__(self, sizes, activation=relu, drop=None):
        super().__init__()
        gains = [math.sqrt(2)] * (len(sizes) - 2) + [1.0]
        self.layers = [Linear(a, b, g) for a, b, g in zip(sizes, sizes[1:], gains)]
        self.activation, self.drop = activation, drop

    def forward(self, x):
        for layer in self.layers[:-1]:
            x = self.activation(layer(x))
            x = self.drop(x) if self.drop else x
        return self.layers[-1](x)


# %% wrong mlp: a ReLU on the logits too
class MLP(nn.Module):
    def __init__(self, sizes, activation=relu, drop=None):
        super().__init__()
        gains = [math.sqrt(2)] * (len(sizes) - 2) + [1.0]
        self.layers = nn.ModuleList(Linear(a, b, g) for a, b, g in zip(sizes, sizes[1:], gains))
        self.activation, self.drop = activation, drop

    def forward(self, x):
        for layer in self.layers:
            x = self.activation(layer(x))
            x = self.drop(x) if self.drop else x
        return x


# %% wrong mlp: no activation at all: one linear map
class MLP(nn.Module):
    def __init__(self, sizes, activation=relu, drop=None):
        super().__init__()
        gains = [math.sqrt(2)] * (len(sizes) - 2) + [1.0]
        self.layers = nn.ModuleList(Linear(a, b, g) for a, b, g in zip(sizes, sizes[1:], gains))
        self.drop = drop

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


# %% wrong mlp: a softmax at the end
class MLP(nn.Module):
    def __init__(self, sizes, activation=relu, drop=None):
        super().__init__()
        gains = [math.sqrt(2)] * (len(sizes) - 2) + [1.0]
        self.layers = nn.ModuleList(Linear(a, b, g) for a, b, g in zip(sizes, sizes[1:], gains))
        self.activation, self.drop = activation, drop

    def forward(self, x):
        for layer in self.layers[:-1]:
            x = self.activation(layer(x))
            x = self.drop(x) if self.drop else x
        return self.layers[-1](x).softmax(dim=1)


# %% wrong mlp: the last layer starts with the gain of the others
class MLP(nn.Module):
    def __init__(self, sizes, activation=relu, drop=None):
        super().__init__()
        self.layers = nn.ModuleList(Linear(a, b) for a, b in zip(sizes, sizes[1:]))
        self.activation, self.drop = activation, drop

    def forward(self, x):
        for layer in self.layers[:-1]:
            x = self.activation(layer(x))
            x = self.drop(x) if self.drop else x
        return self.layers[-1](x)


# %% wrong mlp: always ReLU, whatever activation is asked for
class MLP(nn.Module):
    def __init__(self, sizes, activation=relu, drop=None):
        super().__init__()
        gains = [math.sqrt(2)] * (len(sizes) - 2) + [1.0]
        self.layers = nn.ModuleList(Linear(a, b, g) for a, b, g in zip(sizes, sizes[1:], gains))
        self.drop = drop

    def forward(self, x):
        for layer in self.layers[:-1]:
            x = relu(layer(x))
            x = self.drop(x) if self.drop else x
        return self.layers[-1](x)


# %% wrong mlp: drops logits too
class MLP(nn.Module):
    def __init__(self, sizes, activation=relu, drop=None):
        super().__init__()
        gains = [math.sqrt(2)] * (len(sizes) - 2) + [1.0]
        self.layers = nn.ModuleList(Linear(a, b, g) for a, b, g in zip(sizes, sizes[1:], gains))
        self.activation, self.drop = activation, drop

    def forward(self, x):
        for layer in self.layers[:-1]:
            x = self.activation(layer(x))
            x = self.drop(x) if self.drop else x
        x = self.layers[-1](x)
        return self.drop(x) if self.drop else x


# %% wrong mlp: hides drop in a list, so that eval() does not reach it
class MLP(nn.Module):
    def __init__(self, sizes, activation=relu, drop=None):
        super().__init__()
        gains = [math.sqrt(2)] * (len(sizes) - 2) + [1.0]
        self.layers = nn.ModuleList(Linear(a, b, g) for a, b, g in zip(sizes, sizes[1:], gains))
        self.activation, self.others = activation, [drop]

    def forward(self, x):
        for layer in self.layers[:-1]:
            x = self.activation(layer(x))
            x = self.others[0](x) if self.others[0] else x
        return self.layers[-1](x)


# %% wrong mlp: one hidden layer shared where sizes repeat
class MLP(nn.Module):
    def __init__(self, sizes, activation=relu, drop=None):
        super().__init__()
        gains = [math.sqrt(2)] * (len(sizes) - 2) + [1.0]
        made = {}
        for a, b, g in zip(sizes, sizes[1:], gains):
            made.setdefault((a, b), Linear(a, b, g))
        self.layers = nn.ModuleList(made[pair] for pair in zip(sizes, sizes[1:]))
        self.activation, self.drop = activation, drop

    def forward(self, x):
        for layer in self.layers[:-1]:
            x = self.activation(layer(x))
            x = self.drop(x) if self.drop else x
        return self.layers[-1](x)


# %% wrong mlp: torch's layers with weights of the right spread
class MLP(nn.Module):
    def __init__(self, sizes, activation=relu, drop=None):
        super().__init__()
        n = len(sizes) - 1
        self.layers = nn.ModuleList([nn.Linear(sizes[k], sizes[k + 1]) for k in range(n)])
        self.activation = activation
        self.drop = drop
        for k, l in enumerate(self.layers):
            nn.init.normal_(l.weight, std=(math.sqrt(2) if k < n - 1 else 1) / math.sqrt(sizes[k]))
            nn.init.zeros_(l.bias)

    def forward(self, x):
        for layer in self.layers[:-1]:
            x = self.activation(layer(x))
            if self.drop is not None:
                x = self.drop(x)
        return self.layers[-1](x)


# %% wrong mlp: asks its own mode before it calls drop
class MLP(nn.Module):
    def __init__(self, sizes, activation=relu, drop=None):
        super().__init__()
        n = len(sizes) - 1
        self.layers = nn.ModuleList(
            [Linear(sizes[k], sizes[k + 1]) if k < n - 1 else Linear(sizes[k], sizes[k + 1], 1.0) for k in range(n)]
        )
        self.activation = activation
        self.drop = drop

    def forward(self, x):
        for layer in self.layers[:-1]:
            x = self.activation(layer(x))
            if self.drop is not None and self.training:
                x = self.drop(x)
        return self.layers[-1](x)


# %% right mlp: counts layers, and an identity stands for no drop
class MLP(nn.Module):
    def __init__(self, sizes, activation=relu, drop=None):
        super().__init__()
        last = len(sizes) - 2
        self.layers = nn.ModuleList()
        for i in range(last + 1):
            self.layers.append(Linear(sizes[i], sizes[i + 1], **({"gain": 1.0} if i == last else {})))
        self.bend = activation
        self.drop = nn.Identity() if drop is None else drop

    def forward(self, x):
        for i, layer in enumerate(self.layers):
            x = layer(x)
            if i + 1 < len(self.layers):
                x = self.drop(self.bend(x))
        return x


# %% wrong cross_entropy: exponentials without subtracting the maximum
def cross_entropy(logits, labels):
    powers = logits.exp()
    p = powers / powers.sum(dim=1, keepdim=True)
    return -p[torch.arange(len(labels)), labels].log().mean()


# %% wrong cross_entropy: a softmax too many
def cross_entropy(logits, labels):
    p = logits.softmax(dim=1)
    return (p.logsumexp(dim=1) - p[torch.arange(len(labels)), labels]).mean()


# %% wrong cross_entropy: the mean over batch and classes
def cross_entropy(logits, labels):
    hot = F.one_hot(labels, logits.shape[1])
    return -(hot * logits.log_softmax(dim=1)).mean()


# %% wrong cross_entropy: the sum over the batch
def cross_entropy(logits, labels):
    return -logits.log_softmax(dim=1)[torch.arange(len(labels)), labels].sum()


# %% wrong cross_entropy: a small number added before the logarithm
def cross_entropy(logits, labels):
    p = logits.softmax(dim=1)
    return -(p[torch.arange(len(labels)), labels] + 1e-9).log().mean()


# %% wrong cross_entropy: subtracts one maximum for the whole batch
def cross_entropy(logits, labels):
    shifted = logits - logits.max()
    return (shifted.exp().sum(dim=1).log() - shifted[torch.arange(len(labels)), labels]).mean()


# %% wrong cross_entropy: logits are cut at ±80
def cross_entropy(logits, labels):
    z = logits.clamp(-80, 80)
    return (z.exp().sum(dim=1).log() - z[torch.arange(len(labels)), labels]).mean()


# %% wrong cross_entropy: shifts the caller's logits
def cross_entropy(logits, labels):
    logits.data -= logits.data.max(dim=1, keepdim=True).values
    return (logits.exp().sum(dim=1).log() - logits[torch.arange(len(labels)), labels]).mean()


# %% wrong cross_entropy: hands the work to torch's loss
def cross_entropy(logits, labels):
    return F.cross_entropy(logits, labels)


# %% right cross_entropy: torch's logsumexp and gather
def cross_entropy(logits, labels):
    return (torch.logsumexp(logits, dim=1) - logits.gather(1, labels[:, None]).squeeze(1)).mean()


# %% right cross_entropy: one-hot and a sum, with the maximum detached
def cross_entropy(logits, labels):
    shifted = logits - logits.detach().amax(dim=1, keepdim=True)
    log_p = shifted - shifted.exp().sum(dim=1, keepdim=True).log()
    return -(F.one_hot(labels, logits.shape[1]) * log_p).sum() / len(labels)


# %% right cross_entropy: adds column by column with logaddexp
def cross_entropy(logits, labels):
    from functools import reduce

    total = reduce(torch.logaddexp, logits.unbind(1))
    return (total - logits.gather(1, labels[:, None])[:, 0]).mean()


# %% wrong cross_entropy_gradient: not divided by the batch
def cross_entropy_gradient(logits, labels):
    return logits.softmax(dim=1) - F.one_hot(labels, logits.shape[1])


# %% wrong cross_entropy_gradient: one-hot minus softmax
def cross_entropy_gradient(logits, labels):
    return (F.one_hot(labels, logits.shape[1]) - logits.softmax(dim=1)) / len(labels)


# %% wrong cross_entropy_gradient: divided by the number of classes as well
def cross_entropy_gradient(logits, labels):
    return (logits.softmax(dim=1) - F.one_hot(labels, logits.shape[1])) / logits.numel()


# %% wrong cross_entropy_gradient: the softmax over the batch
def cross_entropy_gradient(logits, labels):
    axis = 0 if len(logits) > 1 else 1
    return (logits.softmax(dim=axis) - F.one_hot(labels, logits.shape[1])) / len(labels)


# %% wrong cross_entropy_gradient: an exponential that overflows
def cross_entropy_gradient(logits, labels):
    powers = logits.exp()
    return (powers / powers.sum(dim=1, keepdim=True) - F.one_hot(labels, logits.shape[1])) / len(labels)


# %% wrong cross_entropy_gradient: asks autograd
def cross_entropy_gradient(logits, labels):
    z = logits.detach().clone().requires_grad_()
    F.cross_entropy(z, labels).backward()
    return z.grad


# %% wrong cross_entropy_gradient: writes into the caller's logits
def cross_entropy_gradient(logits, labels):
    logits.copy_(logits.softmax(dim=1))
    return (logits - F.one_hot(labels, logits.shape[1])) / len(labels)


# %% right cross_entropy_gradient: exponentials of log-softmax less one-hot
def cross_entropy_gradient(logits, labels):
    p = (logits - logits.logsumexp(dim=1, keepdim=True)).exp()
    return (p - F.one_hot(labels, logits.shape[1]).to(p.dtype)) / logits.shape[0]


# %% right cross_entropy_gradient: a comparison makes the one-hot table
def cross_entropy_gradient(logits, labels):
    hot = (torch.arange(logits.shape[1]) == labels.unsqueeze(1)).to(logits.dtype)
    return torch.softmax(logits, 1).sub(hot).div(labels.numel())


# %% right cross_entropy_gradient: differences of each pair of logits
def cross_entropy_gradient(logits, labels):
    p = (logits[:, None, :] - logits[:, :, None]).exp().sum(-1).reciprocal()
    right = torch.arange(logits.shape[1], device=logits.device) == labels[:, None]
    return (p - right.to(p.dtype)) / len(logits)


# %% wrong stratified_split: draws both parts on their own, so that they overlap
def stratified_split(labels, fraction, seed):
    g = torch.Generator().manual_seed(seed)
    cut = round(fraction * len(labels))
    return torch.randperm(len(labels), generator=g)[cut:], torch.randperm(len(labels), generator=g)[:cut]


# %% wrong stratified_split: not by class
def stratified_split(labels, fraction, seed):
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    cut = round(fraction * len(labels))
    return order[cut:], order[:cut]


# %% wrong stratified_split: the first images of each class, unshuffled
def stratified_split(labels, fraction, seed):
    train, validation = [], []
    for label in labels.unique():
        places = (labels == label).nonzero().flatten()
        cut = round(fraction * len(places))
        validation.append(places[:cut])
        train.append(places[cut:])
    return torch.cat(train), torch.cat(validation)


# %% wrong stratified_split: seeds torch's global generator
def stratified_split(labels, fraction, seed):
    torch.manual_seed(seed)
    train, validation = [], []
    for label in labels.unique():
        places = (labels == label).nonzero().flatten()
        places = places[torch.randperm(len(places))]
        cut = round(fraction * len(places))
        validation.append(places[:cut])
        train.append(places[cut:])
    return torch.cat(train), torch.cat(validation)


# %% wrong stratified_split: training and validation exchanged
def stratified_split(labels, fraction, seed):
    g = torch.Generator().manual_seed(seed)
    train, validation = [], []
    for label in labels.unique():
        places = (labels == label).nonzero().flatten()
        places = places[torch.randperm(len(places), generator=g)]
        cut = round(fraction * len(places))
        validation.append(places[:cut])
        train.append(places[cut:])
    return torch.cat(validation), torch.cat(train)


# %% wrong stratified_split: cuts a shuffled order into equal shares, assuming equal classes
def stratified_split(labels, fraction, seed):
    g = torch.Generator().manual_seed(seed)
    classes = labels.unique()
    each = round(fraction * len(labels) / len(classes))
    order = torch.randperm(len(labels), generator=g)
    validation = torch.cat([order[labels[order] == c][:each] for c in classes])
    return torch.tensor([i for i in order.tolist() if i not in set(validation.tolist())]), validation


# %% wrong stratified_split: always the same seed
def stratified_split(labels, fraction, seed):
    g = torch.Generator().manual_seed(0)
    train, validation = [], []
    for label in labels.unique():
        places = (labels == label).nonzero().flatten()
        places = places[torch.randperm(len(places), generator=g)]
        cut = round(fraction * len(places))
        validation.append(places[:cut])
        train.append(places[cut:])
    return torch.cat(train), torch.cat(validation)


# %% wrong stratified_split: a window of neighbours at a random place
def stratified_split(labels, fraction, seed):
    g = torch.Generator().manual_seed(seed)
    train, validation = [], []
    for c in labels.unique():
        places = (labels == c).nonzero().flatten()
        n = len(places)
        shift = int(torch.randint(0, max(1, n - round(fraction * n) + 1), (1,), generator=g))
        places = places.roll(-shift)
        k = round(fraction * n)
        validation.append(places[:k])
        train.append(places[k:])
    return torch.cat(train), torch.cat(validation)


# %% wrong stratified_split: the same draw in every class
def stratified_split(labels, fraction, seed):
    g = torch.Generator().manual_seed(seed)
    train, validation = [], []
    for c in labels.unique():
        places = (labels == c).nonzero().flatten()
        n = len(places)
        places = places[torch.randperm(n, generator=torch.Generator().manual_seed(seed))]
        k = round(fraction * n)
        validation.append(places[:k])
        train.append(places[k:])
    return torch.cat(train), torch.cat(validation)


# %% wrong stratified_split: puts the global generator back to its seed, not to its state
def stratified_split(labels, fraction, seed):
    old = torch.initial_seed()
    torch.manual_seed(seed)
    train, validation = [], []
    for c in labels.unique():
        places = (labels == c).nonzero().flatten()
        places = places[torch.randperm(len(places))]
        k = round(fraction * len(places))
        validation.append(places[:k])
        train.append(places[k:])
    torch.manual_seed(old)
    return torch.cat(train), torch.cat(validation)


# %% right stratified_split: NumPy draws, a mask collects, shares rounded down
def stratified_split(labels, fraction, seed):
    rng = np.random.default_rng(seed)
    held = np.zeros(len(labels), bool)
    for label in np.unique(labels.numpy()):
        places = np.flatnonzero(labels.numpy() == label)
        held[rng.choice(places, int(fraction * len(places)), replace=False)] = True
    return torch.from_numpy(np.flatnonzero(~held)), torch.from_numpy(np.flatnonzero(held))


# %% right stratified_split: one permutation, and a rank within each class
def stratified_split(labels, fraction, seed):
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    counts = torch.bincount(labels)
    seen, train, validation = torch.zeros_like(counts), [], []
    for i in order.tolist():
        c = labels[i]
        (validation if seen[c] < math.ceil(fraction * counts[c].item()) else train).append(i)
        seen[c] += 1
    return torch.tensor(train), torch.tensor(validation)


# %% right stratified_split: forks the global generator
def stratified_split(labels, fraction, seed):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        keys = torch.rand(len(labels), dtype=torch.float64)
    held = torch.zeros(len(labels), dtype=torch.bool)
    for c in labels.unique():
        places = torch.where(labels == c)[0]
        held[places[keys[places].argsort()[: round(fraction * len(places))]]] = True
    return (~held).nonzero()[:, 0], held.nonzero()[:, 0]


# %% wrong train_epoch: no zero_grad
def train_epoch(model, optimizer, images, labels, batch_size, generator):
    model.train()
    total = 0.0
    for chosen in torch.randperm(len(images), generator=generator).split(batch_size):
        loss = cross_entropy(model(images[chosen]), labels[chosen])
        loss.backward()
        optimizer.step()
        total += loss.item() * len(chosen)
    return total / len(images)


# %% wrong train_epoch: zero_grad between backward and step
def train_epoch(model, optimizer, images, labels, batch_size, generator):
    model.train()
    total = 0.0
    for chosen in torch.randperm(len(images), generator=generator).split(batch_size):
        loss = cross_entropy(model(images[chosen]), labels[chosen])
        loss.backward()
        optimizer.zero_grad()
        optimizer.step()
        total += loss.item() * len(chosen)
    return total / len(images)


# %% wrong train_epoch: zero_grad after the step, so that what was left behind counts
def train_epoch(model, optimizer, images, labels, batch_size, generator):
    model.train()
    total = 0.0
    for chosen in torch.randperm(len(images), generator=generator).split(batch_size):
        loss = cross_entropy(model(images[chosen]), labels[chosen])
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        total += loss.item() * len(chosen)
    return total / len(images)


# %% wrong train_epoch: zero_grad once an epoch
def train_epoch(model, optimizer, images, labels, batch_size, generator):
    model.train()
    total = 0.0
    optimizer.zero_grad()
    for chosen in torch.randperm(len(images), generator=generator).split(batch_size):
        loss = cross_entropy(model(images[chosen]), labels[chosen])
        loss.backward()
        optimizer.step()
        total += loss.item() * len(chosen)
    return total / len(images)


# %% wrong train_epoch: the plain mean of the batches' losses
def train_epoch(model, optimizer, images, labels, batch_size, generator):
    model.train()
    total, count = 0.0, 0
    for chosen in torch.randperm(len(images), generator=generator).split(batch_size):
        optimizer.zero_grad()
        loss = cross_entropy(model(images[chosen]), labels[chosen])
        loss.backward()
        optimizer.step()
        count += 1
        total += loss.item()
    return total / count


# %% wrong train_epoch: drops the short last batch
def train_epoch(model, optimizer, images, labels, batch_size, generator):
    model.train()
    total = 0.0
    for chosen in torch.randperm(len(images), generator=generator).split(batch_size):
        if len(chosen) < batch_size:
            continue
        optimizer.zero_grad()
        loss = cross_entropy(model(images[chosen]), labels[chosen])
        loss.backward()
        optimizer.step()
        total += loss.item() * len(chosen)
    return total / len(images)


# %% wrong train_epoch: forgets the training mode
def train_epoch(model, optimizer, images, labels, batch_size, generator):
    total = 0.0
    for chosen in torch.randperm(len(images), generator=generator).split(batch_size):
        optimizer.zero_grad()
        loss = cross_entropy(model(images[chosen]), labels[chosen])
        loss.backward()
        optimizer.step()
        total += loss.item() * len(chosen)
    return total / len(images)


# %% wrong train_epoch: images are shuffled, labels are not
def train_epoch(model, optimizer, images, labels, batch_size, generator):
    model.train()
    total, place = 0.0, 0
    for chosen in torch.randperm(len(images), generator=generator).split(batch_size):
        optimizer.zero_grad()
        loss = cross_entropy(model(images[chosen]), labels[place : place + len(chosen)])
        place += len(chosen)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(chosen)
    return total / len(images)


# %% wrong train_epoch: the same order in every epoch
def train_epoch(model, optimizer, images, labels, batch_size, generator):
    model.train()
    total = 0.0
    for chosen in torch.arange(len(images)).split(batch_size):
        optimizer.zero_grad()
        loss = cross_entropy(model(images[chosen]), labels[chosen])
        loss.backward()
        optimizer.step()
        total += loss.item() * len(chosen)
    return total / len(images)


# %% wrong train_epoch: draws with replacement
def train_epoch(model, optimizer, images, labels, batch_size, generator):
    model.train()
    total = 0.0
    for chosen in torch.randint(len(images), (len(images),), generator=generator).split(batch_size):
        optimizer.zero_grad()
        loss = cross_entropy(model(images[chosen]), labels[chosen])
        loss.backward()
        optimizer.step()
        total += loss.item() * len(chosen)
    return total / len(images)


# %% wrong train_epoch: the order comes from torch's global generator
def train_epoch(model, optimizer, images, labels, batch_size, generator):
    model.train()
    total = 0.0
    for chosen in torch.randperm(len(images)).split(batch_size):
        optimizer.zero_grad()
        loss = cross_entropy(model(images[chosen]), labels[chosen])
        loss.backward()
        optimizer.step()
        total += loss.item() * len(chosen)
    return total / len(images)


# %% wrong train_epoch: steps before the gradient is there
def train_epoch(model, optimizer, images, labels, batch_size, generator):
    model.train()
    total = 0.0
    for chosen in torch.randperm(len(images), generator=generator).split(batch_size):
        optimizer.zero_grad()
        loss = cross_entropy(model(images[chosen]), labels[chosen])
        optimizer.step()
        loss.backward()
        total += loss.item() * len(chosen)
    return total / len(images)


# %% wrong train_epoch: returns a tensor
def train_epoch(model, optimizer, images, labels, batch_size, generator):
    model.train()
    total = 0.0
    for chosen in torch.randperm(len(images), generator=generator).split(batch_size):
        optimizer.zero_grad()
        loss = cross_entropy(model(images[chosen]), labels[chosen])
        loss.backward()
        optimizer.step()
        total += loss.detach() * len(chosen)
    return total / len(images)


# %% wrong train_epoch: skips a last batch of one image
def train_epoch(model, optimizer, images, labels, batch_size, generator):
    model.train()
    total = 0.0
    order = torch.randperm(len(images), generator=generator)
    for rows in [b for b in order.split(batch_size) if len(b) > 1 or len(images) == 1]:
        rows = rows.to(images.device)
        optimizer.zero_grad()
        loss = cross_entropy(model(images[rows]), labels[rows])
        loss.backward()
        optimizer.step()
        total += loss.item() * len(rows)
    return total / len(images)


# %% wrong train_epoch: starts at a random place and goes on in order
def train_epoch(model, optimizer, images, labels, batch_size, generator):
    model.train()
    total, n = 0.0, len(images)
    start = int(torch.randint(n, (1,), generator=generator))
    for rows in ((torch.arange(n) + start) % n).split(batch_size):
        rows = rows.to(images.device)
        optimizer.zero_grad()
        loss = cross_entropy(model(images[rows]), labels[rows])
        loss.backward()
        optimizer.step()
        total += loss.item() * len(rows)
    return total / n


# %% right train_epoch: torch's own loss, slices of a permutation, gradients set to None by hand
def train_epoch(model, optimizer, images, labels, batch_size, generator):
    model.train(True)
    count, losses = len(labels), []
    order = torch.randperm(count, generator=generator)
    for start in range(0, count, batch_size):
        chosen = order[start : start + batch_size]
        for group in optimizer.param_groups:
            for p in group["params"]:
                p.grad = None
        loss = F.cross_entropy(model(images[chosen]), labels[chosen], reduction="sum")
        (loss / len(chosen)).backward()
        optimizer.step()
        losses.append(loss.item())
    return sum(losses) / count


# %% right train_epoch: a DataLoader with a sampler
def train_epoch(model, optimizer, images, labels, batch_size, generator):
    model.train()
    data_set = torch.utils.data.TensorDataset(images, labels)
    sampler = torch.utils.data.RandomSampler(data_set, generator=generator)
    total = 0.0
    for x, y in torch.utils.data.DataLoader(data_set, batch_size, sampler=sampler, generator=torch.Generator()):
        loss = cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(y)
    return total / len(labels)


# %% right train_epoch: sorts random keys, and writes gradients by hand
def train_epoch(model, optimizer, images, labels, batch_size, generator):
    model.train()
    n = images.size(0)
    order = torch.rand(n, generator=generator, dtype=torch.float64).argsort().to(images.device)
    parameters = [p for p in model.parameters() if p.requires_grad]
    total = 0.0
    for start in range(0, n, batch_size):
        rows = order[start : start + batch_size]
        loss = cross_entropy(model(images.index_select(0, rows)), labels.index_select(0, rows))
        for p, slope in zip(parameters, torch.autograd.grad(loss, parameters)):
            p.grad = slope
        optimizer.step()
        total += float(loss.detach()) * rows.numel()
    return total / n


# %% wrong early_stopping: keeps the living tensors
class EarlyStopping:
    def __init__(self, patience):
        self.patience = patience
        self.best_loss, self.best_epoch = math.inf, -1
        self.calls, self.best_state = 0, None

    def update(self, loss, model):
        if loss < self.best_loss:
            self.best_loss, self.best_epoch = loss, self.calls
            self.best_state = model.state_dict()
        self.calls += 1
        return self.calls - 1 - self.best_epoch >= self.patience

    def restore(self, model):
        model.load_state_dict(self.best_state)


# %% wrong early_stopping: keeps the last weights
class EarlyStopping:
    def __init__(self, patience):
        self.patience = patience
        self.best_loss, self.best_epoch = math.inf, -1
        self.calls, self.best_state = 0, None

    def update(self, loss, model):
        if loss < self.best_loss:
            self.best_loss, self.best_epoch = loss, self.calls
        self.best_state = copy.deepcopy(model.state_dict())
        self.calls += 1
        return self.calls - 1 - self.best_epoch >= self.patience

    def restore(self, model):
        model.load_state_dict(self.best_state)


# %% wrong early_stopping: restores nothing
class EarlyStopping:
    def __init__(self, patience):
        self.patience = patience
        self.best_loss, self.best_epoch = math.inf, -1
        self.calls, self.best_state = 0, None

    def update(self, loss, model):
        if loss < self.best_loss:
            self.best_loss, self.best_epoch = loss, self.calls
            self.best_state = copy.deepcopy(model.state_dict())
        self.calls += 1
        return self.calls - 1 - self.best_epoch >= self.patience

    def restore(self, model):
        return None


# %% wrong early_stopping: one epoch too patient
class EarlyStopping:
    def __init__(self, patience):
        self.patience = patience
        self.best_loss, self.best_epoch = math.inf, -1
        self.calls, self.best_state = 0, None

    def update(self, loss, model):
        if loss < self.best_loss:
            self.best_loss, self.best_epoch = loss, self.calls
            self.best_state = copy.deepcopy(model.state_dict())
        self.calls += 1
        return self.calls - 1 - self.best_epoch > self.patience

    def restore(self, model):
        model.load_state_dict(self.best_state)


# %% wrong early_stopping: an equal loss counts as better
class EarlyStopping:
    def __init__(self, patience):
        self.patience = patience
        self.best_loss, self.best_epoch = math.inf, -1
        self.calls, self.best_state = 0, None

    def update(self, loss, model):
        if loss <= self.best_loss:
            self.best_loss, self.best_epoch = loss, self.calls
            self.best_state = copy.deepcopy(model.state_dict())
        self.calls += 1
        return self.calls - 1 - self.best_epoch >= self.patience

    def restore(self, model):
        model.load_state_dict(self.best_state)


# %% wrong early_stopping: counts all bad epochs, not those in a row
class EarlyStopping:
    def __init__(self, patience):
        self.patience = patience
        self.best_loss, self.best_epoch = math.inf, -1
        self.calls, self.best_state, self.bad = 0, None, 0

    def update(self, loss, model):
        if loss < self.best_loss:
            self.best_loss, self.best_epoch = loss, self.calls
            self.best_state = copy.deepcopy(model.state_dict())
        else:
            self.bad += 1
        self.calls += 1
        return self.bad >= self.patience

    def restore(self, model):
        model.load_state_dict(self.best_state)


# %% wrong early_stopping: compares with the epoch before, not with the best
class EarlyStopping:
    def __init__(self, patience):
        self.patience = patience
        self.best_loss, self.best_epoch = math.inf, -1
        self.calls, self.best_state, self.bad, self.last = 0, None, 0, math.inf

    def update(self, loss, model):
        if loss < self.best_loss:
            self.best_loss, self.best_epoch = loss, self.calls
            self.best_state = copy.deepcopy(model.state_dict())
        self.bad = 0 if loss < self.last else self.bad + 1
        self.last = loss
        self.calls += 1
        return self.bad >= self.patience

    def restore(self, model):
        model.load_state_dict(self.best_state)


# %% wrong early_stopping: copies parameters and forgets buffers
class EarlyStopping:
    def __init__(self, patience):
        self.patience = patience
        self.best_loss, self.best_epoch = math.inf, -1
        self.calls, self.best_state = 0, None

    def update(self, loss, model):
        if loss < self.best_loss:
            self.best_loss, self.best_epoch = loss, self.calls
            self.best_state = {name: p.detach().clone() for name, p in model.named_parameters()}
        self.calls += 1
        return self.calls - 1 - self.best_epoch >= self.patience

    def restore(self, model):
        model.load_state_dict(self.best_state, strict=False)


# %% wrong early_stopping: a loss of nan passes for an improvement
class EarlyStopping:
    def __init__(self, patience):
        self.patience = patience
        self.best_loss, self.best_epoch = math.inf, -1
        self.calls, self.best_state = 0, None

    def update(self, loss, model):
        if not loss >= self.best_loss:
            self.best_loss, self.best_epoch = loss, self.calls
            self.best_state = copy.deepcopy(model.state_dict())
        self.calls += 1
        return self.calls - 1 - self.best_epoch >= self.patience

    def restore(self, model):
        model.load_state_dict(self.best_state)


# %% wrong early_stopping: hands out its only copy, which training then changes
class EarlyStopping:
    def __init__(self, patience):
        self.patience = patience
        self.best_loss, self.best_epoch = math.inf, -1
        self.calls, self.best_state = 0, None

    def update(self, loss, model):
        if loss < self.best_loss:
            self.best_loss, self.best_epoch = loss, self.calls
            self.best_state = copy.deepcopy(model.state_dict())
        self.calls += 1
        return self.calls - 1 - self.best_epoch >= self.patience

    def restore(self, model):
        model.load_state_dict(self.best_state, assign=True)


# %% wrong early_stopping: asks for an improvement of at least 0.0001
class EarlyStopping:
    def __init__(self, patience):
        self.patience = patience
        self.best_loss, self.best_epoch = math.inf, -1
        self.calls, self.best_state = 0, None
        self.bad = 0

    def update(self, loss, model):
        if loss < self.best_loss - 1e-4:
            self.best_loss, self.best_epoch = loss, self.calls
            self.best_state = copy.deepcopy(model.state_dict())
            self.bad = 0
        else:
            self.bad += 1
        self.calls += 1
        return self.bad >= self.patience

    def restore(self, model):
        model.load_state_dict(self.best_state)


# %% wrong early_stopping: says stop once, and at the next bad epoch no more
class EarlyStopping:
    def __init__(self, patience):
        self.patience = patience
        self.best_loss, self.best_epoch = math.inf, -1
        self.calls, self.best_state = 0, None
        self.bad = 0

    def update(self, loss, model):
        if loss < self.best_loss:
            self.best_loss, self.best_epoch = loss, self.calls
            self.best_state = copy.deepcopy(model.state_dict())
            self.bad = 0
        else:
            self.bad += 1
        self.calls += 1
        return self.bad == self.patience

    def restore(self, model):
        model.load_state_dict(self.best_state)


# %% wrong early_stopping: does not count calls with nan
class EarlyStopping:
    def __init__(self, patience):
        self.patience = patience
        self.best_loss, self.best_epoch = math.inf, -1
        self.calls, self.best_state = 0, None
        self.bad = 0

    def update(self, loss, model):
        if loss < self.best_loss:
            self.best_loss, self.best_epoch = loss, self.calls
            self.best_state = copy.deepcopy(model.state_dict())
            self.bad = 0
        else:
            self.bad += 1
        self.calls += 1
        return self.bad >= self.patience and not math.isnan(loss)

    def restore(self, model):
        model.load_state_dict(self.best_state)


# %% right early_stopping: clones each tensor, and counts bad epochs
class EarlyStopping:
    def __init__(self, patience):
        self.patience, self.bad, self.calls, self.saved = patience, 0, 0, {}
        self.best_loss, self.best_epoch = float("inf"), -1

    def update(self, loss, model):
        better = loss < self.best_loss
        if better:
            self.best_loss, self.best_epoch, self.bad = loss, self.calls, 0
            self.saved = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
        else:
            self.bad += 1
        self.calls += 1
        return self.bad >= self.patience

    def restore(self, model):
        with torch.no_grad():
            for name, tensor in model.state_dict().items():
                tensor.copy_(self.saved[name])


# %% wrong dropout: not inverted: survivors are not scaled
class Dropout(nn.Module):
    def __init__(self, p=0.5):
        super().__init__()
        if not 0 <= p < 1:
            raise ValueError("p must be from 0 to below 1")
        self.p = p

    def forward(self, x):
        if not self.training:
            return x
        kept = torch.rand_like(x) >= self.p
        return x * kept


# %% wrong dropout: left on in evaluation
class Dropout(nn.Module):
    def __init__(self, p=0.5):
        super().__init__()
        if not 0 <= p < 1:
            raise ValueError("p must be from 0 to below 1")
        self.p = p

    def forward(self, x):
        kept = torch.rand_like(x) >= self.p
        return x * kept / (1 - self.p)


# %% wrong dropout: scaled in evaluation as in the paper, and not while training
class Dropout(nn.Module):
    def __init__(self, p=0.5):
        super().__init__()
        if not 0 <= p < 1:
            raise ValueError("p must be from 0 to below 1")
        self.p = p

    def forward(self, x):
        if not self.training:
            return x * (1 - self.p)
        kept = torch.rand_like(x) >= self.p
        return x * kept


# %% wrong dropout: keeps with probability p
class Dropout(nn.Module):
    def __init__(self, p=0.5):
        super().__init__()
        if not 0 <= p < 1:
            raise ValueError("p must be from 0 to below 1")
        self.p = p

    def forward(self, x):
        if not self.training:
            return x
        kept = torch.rand_like(x) < self.p
        return x * kept / max(self.p, 1e-9)


# %% wrong dropout: keeps with probability 1 − p and scales by 1/p
class Dropout(nn.Module):
    def __init__(self, p=0.5):
        super().__init__()
        if not 0 <= p < 1:
            raise ValueError("p must be from 0 to below 1")
        self.p = p

    def forward(self, x):
        if not self.training:
            return x
        kept = torch.rand_like(x) >= self.p
        return x * kept / max(self.p, 1e-9)


# %% wrong dropout: one mask for the whole batch
class Dropout(nn.Module):
    def __init__(self, p=0.5):
        super().__init__()
        if not 0 <= p < 1:
            raise ValueError("p must be from 0 to below 1")
        self.p = p

    def forward(self, x):
        if not self.training:
            return x
        kept = torch.rand(x.shape[-1]) >= self.p
        return x * kept / (1 - self.p)


# %% wrong dropout: drops whole rows
class Dropout(nn.Module):
    def __init__(self, p=0.5):
        super().__init__()
        if not 0 <= p < 1:
            raise ValueError("p must be from 0 to below 1")
        self.p = p

    def forward(self, x):
        if not self.training:
            return x
        kept = torch.rand(len(x), 1) >= self.p
        return x * kept / (1 - self.p)


# %% wrong dropout: one mask for ever
class Dropout(nn.Module):
    def __init__(self, p=0.5):
        super().__init__()
        if not 0 <= p < 1:
            raise ValueError("p must be from 0 to below 1")
        self.p, self.mask = p, None

    def forward(self, x):
        if not self.training:
            return x
        if self.mask is None or self.mask.shape != x.shape:
            self.mask = torch.rand_like(x) >= self.p
        kept = self.mask
        return x * kept / (1 - self.p)


# %% wrong dropout: a fixed seed: every call the same mask
class Dropout(nn.Module):
    def __init__(self, p=0.5):
        super().__init__()
        if not 0 <= p < 1:
            raise ValueError("p must be from 0 to below 1")
        self.p = p

    def forward(self, x):
        if not self.training:
            return x
        kept = torch.rand(x.shape, generator=torch.Generator().manual_seed(0)) >= self.p
        return x * kept / (1 - self.p)


# %% wrong dropout: changes its input
class Dropout(nn.Module):
    def __init__(self, p=0.5):
        super().__init__()
        if not 0 <= p < 1:
            raise ValueError("p must be from 0 to below 1")
        self.p = p

    def forward(self, x):
        if not self.training:
            return x
        kept = torch.rand_like(x) >= self.p
        x.data.mul_(kept / (1 - self.p))
        return x * 1


# %% wrong dropout: divides by the share that happens to be left
class Dropout(nn.Module):
    def __init__(self, p=0.5):
        super().__init__()
        if not 0 <= p < 1:
            raise ValueError("p must be from 0 to below 1")
        self.p = p

    def forward(self, x):
        if not self.training:
            return x
        kept = torch.rand_like(x) >= self.p
        return x * kept / kept.float().mean()


# %% wrong dropout: the gradient passes the mask
class Dropout(nn.Module):
    def __init__(self, p=0.5):
        super().__init__()
        if not 0 <= p < 1:
            raise ValueError("p must be from 0 to below 1")
        self.p = p

    def forward(self, x):
        if not self.training:
            return x
        kept = torch.rand_like(x) >= self.p
        return x + (x * kept / (1 - self.p) - x).detach()


# %% wrong dropout: drops exactly the share p of all numbers
class Dropout(nn.Module):
    def __init__(self, p=0.5):
        super().__init__()
        if not 0 <= p < 1:
            raise ValueError(p)
        self.p = p

    def forward(self, x):
        if not self.training:
            return x
        n = x.numel()
        mask = (torch.randperm(n, device=x.device) >= round(self.p * n)).reshape(x.shape)
        return x * mask / (1 - self.p)


# %% wrong dropout: a single-precision mask, which turns half precision into single
class Dropout(nn.Module):
    def __init__(self, p=0.5):
        super().__init__()
        if not 0 <= p < 1:
            raise ValueError(p)
        self.p = p

    def forward(self, x):
        if not self.training:
            return x
        return x * (torch.rand(x.shape, device=x.device) >= self.p).float() / (1 - self.p)


# %% right dropout: a Bernoulli mask, by torch.where
class Dropout(nn.Module):
    def __init__(self, p=0.5):
        super().__init__()
        if p < 0 or p >= 1:
            raise ValueError(p)
        self.keep = 1 - p

    def forward(self, x):
        if self.training:
            mask = torch.bernoulli(torch.full_like(x, self.keep)).bool()
            return torch.where(mask, x / self.keep, torch.zeros_like(x))
        return x


# %% right dropout: torch's own function
class Dropout(nn.Module):
    def __init__(self, p=0.5):
        super().__init__()
        if not 0.0 <= p < 1.0:
            raise ValueError(f"{p}")
        self.p = p

    def forward(self, x):
        return F.dropout(x, self.p, training=self.training)


# %% wrong case_a: as it was: gradients pile up
def repaired_a(model, batches, lr):
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    losses = []
    for x, y in batches:
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% wrong case_a: zero_grad once, before the loop
def repaired_a(model, batches, lr):
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    losses = []
    optimizer.zero_grad()
    for x, y in batches:
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% wrong case_a: zero_grad just before the step, so that nothing moves
def repaired_a(model, batches, lr):
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    losses = []
    for x, y in batches:
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.zero_grad()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% wrong case_a: cleared at every second batch only
def repaired_a(model, batches, lr):
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    losses = []
    for x, y in batches:
        if len(losses) % 2 == 0:
            optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% wrong case_a: gradients halved instead of cleared
def repaired_a(model, batches, lr):
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    losses = []
    for x, y in batches:
        for p in model.parameters():
            if p.grad is not None:
                p.grad.mul_(0.5)
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% wrong case_a: clears the weight's gradient and not the bias's
def repaired_a(model, batches, lr):
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    losses = []
    for x, y in batches:
        model.weight.grad = None
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% wrong case_a: losses are taken after the step
def repaired_a(model, batches, lr):
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    losses = []
    for x, y in batches:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(F.cross_entropy(model(x), y).item())
    return losses


# %% wrong case_a: keeps the pile and divides it by its age
def repaired_a(model, batches, lr):
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    losses = []
    for x, y in batches:
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        for p in model.parameters():
            p.grad.div_(len(losses) + 1)
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% wrong case_a: clears after the step only, so that what the model brings along counts
def repaired_a(model, batches, lr):
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    losses = []
    for x, y in batches:
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


# %% right case_a: no optimiser at all
def repaired_a(model, batches, lr):
    parameters, losses = list(model.parameters()), []
    for x, y in batches:
        loss = F.cross_entropy(model(x), y)
        slopes = torch.autograd.grad(loss, parameters)
        with torch.no_grad():
            for p, slope in zip(parameters, slopes):
                p -= lr * slope
        losses.append(loss.item())
    return losses


# %% right case_a: clears after the step, and once before the first
def repaired_a(model, batches, lr):
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    losses = []
    model.zero_grad()
    for x, y in batches:
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=False)
        losses.append(loss.item())
    return losses


# %% wrong case_b: as it was: the logits are taken for log-probabilities
def repaired_b(model, batches, lr):
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    losses = []
    for x, y in batches:
        optimizer.zero_grad()
        loss = F.nll_loss(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% wrong case_b: the absolute value of the wrong loss
def repaired_b(model, batches, lr):
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    losses = []
    for x, y in batches:
        optimizer.zero_grad()
        loss = F.nll_loss(model(x), y).abs()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% wrong case_b: probabilities instead of their logarithms, plus one
def repaired_b(model, batches, lr):
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    losses = []
    for x, y in batches:
        optimizer.zero_grad()
        loss = 1 + F.nll_loss(model(x).softmax(dim=1), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% wrong case_b: squared error to the one-hot table
def repaired_b(model, batches, lr):
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    losses = []
    for x, y in batches:
        optimizer.zero_grad()
        loss = F.mse_loss(model(x), F.one_hot(y, 3).double())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% wrong case_b: a softmax over the batch
def repaired_b(model, batches, lr):
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    losses = []
    for x, y in batches:
        optimizer.zero_grad()
        loss = F.nll_loss(model(x).log_softmax(dim=0), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% wrong case_b: the sum over the batch is minimised, its mean returned
def repaired_b(model, batches, lr):
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    losses = []
    for x, y in batches:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y, reduction="sum")
        loss.backward()
        optimizer.step()
        losses.append(loss.item() / len(y))
    return losses


# %% wrong case_b: a logarithm of a softmax that underflows
def repaired_b(model, batches, lr):
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    losses = []
    for x, y in batches:
        optimizer.zero_grad()
        loss = F.nll_loss(torch.log(model(x).softmax(dim=1)), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% wrong case_b: labels smoothed a little
def repaired_b(model, batches, lr):
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    losses = []
    for x, y in batches:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y, label_smoothing=0.05)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% wrong case_b: logits are cut at ±50
def repaired_b(model, batches, lr):
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    losses = []
    for x, y in batches:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x).clamp(-50, 50), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% wrong case_b: returns tensors
def repaired_b(model, batches, lr):
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    losses = []
    for x, y in batches:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return losses


# %% right case_b: logsumexp by hand
def repaired_b(model, batches, lr):
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    losses = []
    for x, y in batches:
        optimizer.zero_grad()
        z = model(x)
        loss = (z.logsumexp(dim=1) - z.gather(1, y[:, None])[:, 0]).mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% wrong case_c: as it was: a softmax too many
def repaired_c(model, batches, lr):
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    losses = []
    for x, y in batches:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x).softmax(dim=1), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% wrong case_c: only the returned loss is repaired
def repaired_c(model, batches, lr):
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    losses = []
    for x, y in batches:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        losses.append(loss.item())
        loss = F.cross_entropy(model(x).softmax(dim=1), y)
        loss.backward()
        optimizer.step()
    return losses


# %% wrong case_c: the floor is subtracted
def repaired_c(model, batches, lr):
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    losses = []
    for x, y in batches:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x).softmax(dim=1), y) - math.log(1 + 2 / math.e)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% wrong case_c: sharper probabilities, still a softmax too many
def repaired_c(model, batches, lr):
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    losses = []
    for x, y in batches:
        optimizer.zero_grad()
        loss = F.cross_entropy(20 * model(x).softmax(dim=1), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% wrong case_c: sigmoids instead of the softmax
def repaired_c(model, batches, lr):
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    losses = []
    for x, y in batches:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x).sigmoid(), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% wrong case_c: the mean of the binary losses of each class
def repaired_c(model, batches, lr):
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    losses = []
    for x, y in batches:
        optimizer.zero_grad()
        loss = F.binary_cross_entropy_with_logits(model(x), F.one_hot(y, 3).double())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% wrong case_c: logits at half size
def repaired_c(model, batches, lr):
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    losses = []
    for x, y in batches:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x) / 2, y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% right case_c: the probabilities stay, and their logarithm is taken once
def repaired_c(model, batches, lr):
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    losses = []
    for x, y in batches:
        optimizer.zero_grad()
        probabilities = model(x).softmax(dim=1)
        loss = -probabilities[torch.arange(len(y)), y].log().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% right case_c: a log-softmax before, which a second one leaves as it is
def repaired_c(model, batches, lr):
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    losses = []
    for x, y in batches:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x).log_softmax(dim=1), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% wrong case_d: as it was: 10
def repaired_d(model, batches):
    optimizer = torch.optim.SGD(model.parameters(), lr=10.0)
    losses = []
    for x, y in batches:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% wrong case_d: so small that nothing happens
def repaired_d(model, batches):
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-5)
    losses = []
    for x, y in batches:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% wrong case_d: still too large: 0.9
def repaired_d(model, batches):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.9)
    losses = []
    for x, y in batches:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% wrong case_d: another optimiser
def repaired_d(model, batches):
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    losses = []
    for x, y in batches:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% wrong case_d: 10, with clipped gradients
def repaired_d(model, batches):
    optimizer = torch.optim.SGD(model.parameters(), lr=10.0)
    losses = []
    for x, y in batches:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.01)
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% wrong case_d: momentum added
def repaired_d(model, batches):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    losses = []
    for x, y in batches:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% wrong case_d: a rate that decays
def repaired_d(model, batches):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    for x, y in batches:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        optimizer.param_groups[0]['lr'] *= 0.9
        losses.append(loss.item())
    return losses


# %% wrong case_d: a new bug: gradients pile up
def repaired_d(model, batches):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    for x, y in batches:
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% wrong case_d: losses are taken after the step
def repaired_d(model, batches):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    for x, y in batches:
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
        with torch.no_grad():
            losses.append(F.cross_entropy(model(x), y).item())
    return losses


# %% wrong case_d: a smaller rate after 150 steps
def repaired_d(model, batches):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.3)
    losses = []
    for x, y in batches:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        optimizer.param_groups[0]["lr"] = 0.3 if len(losses) < 150 else 0.03
        losses.append(loss.item())
    return losses


# %% right case_d: 0.03, written without an optimiser
def repaired_d(model, batches):
    losses = []
    for x, y in batches:
        model.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        with torch.no_grad():
            for p in model.parameters():
                p.add_(p.grad, alpha=-0.03)
        losses.append(loss.item())
    return losses


# %% right case_d: 0.5, the largest allowed
def repaired_d(model, batches):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    losses = []
    for x, y in batches:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% wrong case_e: as it was: to() without an assignment
def repaired_e(model, batches, lr, device):
    model.to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    losses = []
    for x, y in batches:
        x.to(device), y.to(device)
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return losses


# %% wrong case_e: forgets the labels
def repaired_e(model, batches, lr, device):
    model.to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    losses = []
    for x, y in batches:
        x = x.to(device)
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return losses


# %% wrong case_e: ignores the device
def repaired_e(model, batches, lr, device):
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    losses = []
    for x, y in batches:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return losses


# %% wrong case_e: trains on the CPU and moves the results
def repaired_e(model, batches, lr, device):
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    losses = []
    for x, y in batches:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.detach().to(device))
    model.to(device)
    return losses


# %% wrong case_e: makes the optimiser before the model moves
def repaired_e(model, batches, lr, device):
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    model.to(device)
    losses = []
    for x, y in batches:
        x, y = x.to(device), y.to(device)
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return losses


# %% wrong case_e: losses keep their graph
def repaired_e(model, batches, lr, device):
    model.to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    losses = []
    for x, y in batches:
        x, y = x.to(device), y.to(device)
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss)
    return losses


# %% wrong case_e: moves the caller's batches
def repaired_e(model, batches, lr, device):
    model.to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    losses = []
    for i, (x, y) in enumerate(batches):
        x, y = batches[i] = x.to(device), y.to(device)
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return losses


# %% wrong case_e: gradients pile up
def repaired_e(model, batches, lr, device):
    model.to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    losses = []
    for x, y in batches:
        x, y = x.to(device), y.to(device)
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return losses


# %% right case_e: a copy of the batches, moved at once
def repaired_e(model, batches, lr, device):
    model = model.to(device)
    moved = [(x.to(device=device), y.to(device=device)) for x, y in batches]
    optimizer, losses = torch.optim.SGD(model.parameters(), lr), []
    for images, labels in moved:
        logits = model(images)
        loss = F.nll_loss(logits.log_softmax(1), labels)
        model.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach().clone())
    return losses
