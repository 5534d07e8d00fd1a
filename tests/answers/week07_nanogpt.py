# Answers to week 7 that its graders must tell apart. Each cell replaces the student's cell of that name.


# %% wrong causal_self_attention: no mask
class CausalSelfAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.heads, self.dropout = config.heads, config.dropout
        self.to_qkv = nn.Linear(config.width, 3 * config.width)
        self.to_out = nn.Linear(config.width, config.width)
        self.weights = None

    def project(self, x):
        return tuple(p.unflatten(-1, (self.heads, -1)).transpose(1, 2) for p in self.to_qkv(x).chunk(3, dim=-1))

    def forward(self, x):
        query, key, value = self.project(x)
        T = x.shape[1]
        scores = query @ key.mT / math.sqrt(query.shape[-1])
        future = torch.ones(T, T, dtype=torch.bool, device=x.device).triu(1)
        weights = scores.softmax(dim=-1)
        self.weights = weights.detach()
        weights = F.dropout(weights, self.dropout, self.training)
        mixed = (weights @ value).transpose(1, 2).flatten(2)
        return F.dropout(self.to_out(mixed), self.dropout, self.training)


# %% wrong causal_self_attention: the mask hides the token itself
class CausalSelfAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.heads, self.dropout = config.heads, config.dropout
        self.to_qkv = nn.Linear(config.width, 3 * config.width)
        self.to_out = nn.Linear(config.width, config.width)
        self.weights = None

    def project(self, x):
        return tuple(p.unflatten(-1, (self.heads, -1)).transpose(1, 2) for p in self.to_qkv(x).chunk(3, dim=-1))

    def forward(self, x):
        query, key, value = self.project(x)
        T = x.shape[1]
        scores = query @ key.mT / math.sqrt(query.shape[-1])
        future = torch.ones(T, T, dtype=torch.bool, device=x.device).triu(0)
        weights = scores.masked_fill(future, -1e9).softmax(dim=-1)
        self.weights = weights.detach()
        weights = F.dropout(weights, self.dropout, self.training)
        mixed = (weights @ value).transpose(1, 2).flatten(2)
        return F.dropout(self.to_out(mixed), self.dropout, self.training)


# %% wrong causal_self_attention: masks after the softmax and does not normalise again
class CausalSelfAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.heads, self.dropout = config.heads, config.dropout
        self.to_qkv = nn.Linear(config.width, 3 * config.width)
        self.to_out = nn.Linear(config.width, config.width)
        self.weights = None

    def project(self, x):
        return tuple(p.unflatten(-1, (self.heads, -1)).transpose(1, 2) for p in self.to_qkv(x).chunk(3, dim=-1))

    def forward(self, x):
        query, key, value = self.project(x)
        T = x.shape[1]
        scores = query @ key.mT / math.sqrt(query.shape[-1])
        future = torch.ones(T, T, dtype=torch.bool, device=x.device).triu(1)
        weights = scores.softmax(dim=-1).masked_fill(future, 0)
        self.weights = weights.detach()
        weights = F.dropout(weights, self.dropout, self.training)
        mixed = (weights @ value).transpose(1, 2).flatten(2)
        return F.dropout(self.to_out(mixed), self.dropout, self.training)


# %% wrong causal_self_attention: masks with a small negative number, which large scores beat
class CausalSelfAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.heads, self.dropout = config.heads, config.dropout
        self.to_qkv = nn.Linear(config.width, 3 * config.width)
        self.to_out = nn.Linear(config.width, config.width)
        self.weights = None

    def project(self, x):
        return tuple(p.unflatten(-1, (self.heads, -1)).transpose(1, 2) for p in self.to_qkv(x).chunk(3, dim=-1))

    def forward(self, x):
        query, key, value = self.project(x)
        T = x.shape[1]
        scores = query @ key.mT / math.sqrt(query.shape[-1])
        future = torch.ones(T, T, dtype=torch.bool, device=x.device).triu(1)
        weights = scores.masked_fill(future, -1e3).softmax(dim=-1)
        self.weights = weights.detach()
        weights = F.dropout(weights, self.dropout, self.training)
        mixed = (weights @ value).transpose(1, 2).flatten(2)
        return F.dropout(self.to_out(mixed), self.dropout, self.training)


# %% wrong causal_self_attention: no scale
class CausalSelfAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.heads, self.dropout = config.heads, config.dropout
        self.to_qkv = nn.Linear(config.width, 3 * config.width)
        self.to_out = nn.Linear(config.width, config.width)
        self.weights = None

    def project(self, x):
        return tuple(p.unflatten(-1, (self.heads, -1)).transpose(1, 2) for p in self.to_qkv(x).chunk(3, dim=-1))

    def forward(self, x):
        query, key, value = self.project(x)
        T = x.shape[1]
        scores = query @ key.mT
        future = torch.ones(T, T, dtype=torch.bool, device=x.device).triu(1)
        weights = scores.masked_fill(future, -math.inf).softmax(dim=-1)
        self.weights = weights.detach()
        weights = F.dropout(weights, self.dropout, self.training)
        mixed = (weights @ value).transpose(1, 2).flatten(2)
        return F.dropout(self.to_out(mixed), self.dropout, self.training)


# %% wrong causal_self_attention: scales by the width of the model, right for one head only
class CausalSelfAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.heads, self.dropout = config.heads, config.dropout
        self.to_qkv = nn.Linear(config.width, 3 * config.width)
        self.to_out = nn.Linear(config.width, config.width)
        self.weights = None

    def project(self, x):
        return tuple(p.unflatten(-1, (self.heads, -1)).transpose(1, 2) for p in self.to_qkv(x).chunk(3, dim=-1))

    def forward(self, x):
        query, key, value = self.project(x)
        T = x.shape[1]
        scores = query @ key.mT / math.sqrt(x.shape[-1])
        future = torch.ones(T, T, dtype=torch.bool, device=x.device).triu(1)
        weights = scores.masked_fill(future, -math.inf).softmax(dim=-1)
        self.weights = weights.detach()
        weights = F.dropout(weights, self.dropout, self.training)
        mixed = (weights @ value).transpose(1, 2).flatten(2)
        return F.dropout(self.to_out(mixed), self.dropout, self.training)


# %% wrong causal_self_attention: softmax over the queries
class CausalSelfAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.heads, self.dropout = config.heads, config.dropout
        self.to_qkv = nn.Linear(config.width, 3 * config.width)
        self.to_out = nn.Linear(config.width, config.width)
        self.weights = None

    def project(self, x):
        return tuple(p.unflatten(-1, (self.heads, -1)).transpose(1, 2) for p in self.to_qkv(x).chunk(3, dim=-1))

    def forward(self, x):
        query, key, value = self.project(x)
        T = x.shape[1]
        scores = query @ key.mT / math.sqrt(query.shape[-1])
        future = torch.ones(T, T, dtype=torch.bool, device=x.device).triu(1)
        weights = scores.masked_fill(future, -1e9).softmax(dim=-2)
        self.weights = weights.detach()
        weights = F.dropout(weights, self.dropout, self.training)
        mixed = (weights @ value).transpose(1, 2).flatten(2)
        return F.dropout(self.to_out(mixed), self.dropout, self.training)


# %% wrong causal_self_attention: views instead of transposing, so that tokens are mixed
class CausalSelfAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.heads, self.dropout = config.heads, config.dropout
        self.to_qkv = nn.Linear(config.width, 3 * config.width)
        self.to_out = nn.Linear(config.width, config.width)
        self.weights = None

    def project(self, x):
        return tuple(p.reshape(p.shape[0], self.heads, p.shape[1], -1) for p in self.to_qkv(x).chunk(3, dim=-1))

    def forward(self, x):
        query, key, value = self.project(x)
        T = x.shape[1]
        scores = query @ key.mT / math.sqrt(query.shape[-1])
        future = torch.ones(T, T, dtype=torch.bool, device=x.device).triu(1)
        weights = scores.masked_fill(future, -math.inf).softmax(dim=-1)
        self.weights = weights.detach()
        weights = F.dropout(weights, self.dropout, self.training)
        mixed = (weights @ value).transpose(1, 2).flatten(2)
        return F.dropout(self.to_out(mixed), self.dropout, self.training)


# %% wrong causal_self_attention: cuts each head's share into query, key and value, as other models store them
class CausalSelfAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.heads, self.dropout = config.heads, config.dropout
        self.to_qkv = nn.Linear(config.width, 3 * config.width)
        self.to_out = nn.Linear(config.width, config.width)
        self.weights = None

    def project(self, x):
        return self.to_qkv(x).unflatten(-1, (self.heads, 3, -1)).permute(3, 0, 2, 1, 4).unbind(0)

    def forward(self, x):
        query, key, value = self.project(x)
        T = x.shape[1]
        scores = query @ key.mT / math.sqrt(query.shape[-1])
        future = torch.ones(T, T, dtype=torch.bool, device=x.device).triu(1)
        weights = scores.masked_fill(future, -math.inf).softmax(dim=-1)
        self.weights = weights.detach()
        weights = F.dropout(weights, self.dropout, self.training)
        mixed = (weights @ value).transpose(1, 2).flatten(2)
        return F.dropout(self.to_out(mixed), self.dropout, self.training)


# %% wrong causal_self_attention: queries and keys exchanged
class CausalSelfAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.heads, self.dropout = config.heads, config.dropout
        self.to_qkv = nn.Linear(config.width, 3 * config.width)
        self.to_out = nn.Linear(config.width, config.width)
        self.weights = None

    def project(self, x):
        q, k, v = (p.unflatten(-1, (self.heads, -1)).transpose(1, 2) for p in self.to_qkv(x).chunk(3, dim=-1))
        return k, q, v

    def forward(self, x):
        query, key, value = self.project(x)
        T = x.shape[1]
        scores = query @ key.mT / math.sqrt(query.shape[-1])
        future = torch.ones(T, T, dtype=torch.bool, device=x.device).triu(1)
        weights = scores.masked_fill(future, -math.inf).softmax(dim=-1)
        self.weights = weights.detach()
        weights = F.dropout(weights, self.dropout, self.training)
        mixed = (weights @ value).transpose(1, 2).flatten(2)
        return F.dropout(self.to_out(mixed), self.dropout, self.training)


# %% wrong causal_self_attention: merging forgets the transpose
class CausalSelfAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.heads, self.dropout = config.heads, config.dropout
        self.to_qkv = nn.Linear(config.width, 3 * config.width)
        self.to_out = nn.Linear(config.width, config.width)
        self.weights = None

    def project(self, x):
        return tuple(p.unflatten(-1, (self.heads, -1)).transpose(1, 2) for p in self.to_qkv(x).chunk(3, dim=-1))

    def forward(self, x):
        query, key, value = self.project(x)
        T = x.shape[1]
        scores = query @ key.mT / math.sqrt(query.shape[-1])
        future = torch.ones(T, T, dtype=torch.bool, device=x.device).triu(1)
        weights = scores.masked_fill(future, -math.inf).softmax(dim=-1)
        self.weights = weights.detach()
        weights = F.dropout(weights, self.dropout, self.training)
        mixed = (weights @ value).reshape(x.shape)
        return F.dropout(self.to_out(mixed), self.dropout, self.training)


# %% wrong causal_self_attention: drops in eval mode too
class CausalSelfAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.heads, self.dropout = config.heads, config.dropout
        self.to_qkv = nn.Linear(config.width, 3 * config.width)
        self.to_out = nn.Linear(config.width, config.width)
        self.weights = None

    def project(self, x):
        return tuple(p.unflatten(-1, (self.heads, -1)).transpose(1, 2) for p in self.to_qkv(x).chunk(3, dim=-1))

    def forward(self, x):
        query, key, value = self.project(x)
        T = x.shape[1]
        scores = query @ key.mT / math.sqrt(query.shape[-1])
        future = torch.ones(T, T, dtype=torch.bool, device=x.device).triu(1)
        weights = scores.masked_fill(future, -math.inf).softmax(dim=-1)
        self.weights = weights.detach()
        weights = F.dropout(weights, self.dropout)
        mixed = (weights @ value).transpose(1, 2).flatten(2)
        return F.dropout(self.to_out(mixed), self.dropout)


# %% wrong causal_self_attention: no dropout on the weights
class CausalSelfAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.heads, self.dropout = config.heads, config.dropout
        self.to_qkv = nn.Linear(config.width, 3 * config.width)
        self.to_out = nn.Linear(config.width, config.width)
        self.weights = None

    def project(self, x):
        return tuple(p.unflatten(-1, (self.heads, -1)).transpose(1, 2) for p in self.to_qkv(x).chunk(3, dim=-1))

    def forward(self, x):
        query, key, value = self.project(x)
        T = x.shape[1]
        scores = query @ key.mT / math.sqrt(query.shape[-1])
        future = torch.ones(T, T, dtype=torch.bool, device=x.device).triu(1)
        weights = scores.masked_fill(future, -math.inf).softmax(dim=-1)
        self.weights = weights.detach()
        
        mixed = (weights @ value).transpose(1, 2).flatten(2)
        return F.dropout(self.to_out(mixed), self.dropout, self.training)


# %% wrong causal_self_attention: no dropout on the result
class CausalSelfAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.heads, self.dropout = config.heads, config.dropout
        self.to_qkv = nn.Linear(config.width, 3 * config.width)
        self.to_out = nn.Linear(config.width, config.width)
        self.weights = None

    def project(self, x):
        return tuple(p.unflatten(-1, (self.heads, -1)).transpose(1, 2) for p in self.to_qkv(x).chunk(3, dim=-1))

    def forward(self, x):
        query, key, value = self.project(x)
        T = x.shape[1]
        scores = query @ key.mT / math.sqrt(query.shape[-1])
        future = torch.ones(T, T, dtype=torch.bool, device=x.device).triu(1)
        weights = scores.masked_fill(future, -math.inf).softmax(dim=-1)
        self.weights = weights.detach()
        weights = F.dropout(weights, self.dropout, self.training)
        mixed = (weights @ value).transpose(1, 2).flatten(2)
        return self.to_out(mixed)


# %% wrong causal_self_attention: dropout without dividing by what is kept
class CausalSelfAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.heads, self.dropout = config.heads, config.dropout
        self.to_qkv = nn.Linear(config.width, 3 * config.width)
        self.to_out = nn.Linear(config.width, config.width)
        self.weights = None

    def project(self, x):
        return tuple(p.unflatten(-1, (self.heads, -1)).transpose(1, 2) for p in self.to_qkv(x).chunk(3, dim=-1))

    def forward(self, x):
        query, key, value = self.project(x)
        T = x.shape[1]
        scores = query @ key.mT / math.sqrt(query.shape[-1])
        future = torch.ones(T, T, dtype=torch.bool, device=x.device).triu(1)
        weights = scores.masked_fill(future, -math.inf).softmax(dim=-1)
        self.weights = weights.detach()
        weights = weights * (torch.rand_like(weights) >= self.dropout) if self.training else weights
        mixed = (weights @ value).transpose(1, 2).flatten(2)
        return F.dropout(self.to_out(mixed), self.dropout, self.training)


# %% wrong causal_self_attention: stores the weights with their graph
class CausalSelfAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.heads, self.dropout = config.heads, config.dropout
        self.to_qkv = nn.Linear(config.width, 3 * config.width)
        self.to_out = nn.Linear(config.width, config.width)
        self.weights = None

    def project(self, x):
        return tuple(p.unflatten(-1, (self.heads, -1)).transpose(1, 2) for p in self.to_qkv(x).chunk(3, dim=-1))

    def forward(self, x):
        query, key, value = self.project(x)
        T = x.shape[1]
        scores = query @ key.mT / math.sqrt(query.shape[-1])
        future = torch.ones(T, T, dtype=torch.bool, device=x.device).triu(1)
        weights = scores.masked_fill(future, -math.inf).softmax(dim=-1)
        self.weights = weights
        weights = F.dropout(weights, self.dropout, self.training)
        mixed = (weights @ value).transpose(1, 2).flatten(2)
        return F.dropout(self.to_out(mixed), self.dropout, self.training)


# %% wrong causal_self_attention: stores the mean over the heads
class CausalSelfAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.heads, self.dropout = config.heads, config.dropout
        self.to_qkv = nn.Linear(config.width, 3 * config.width)
        self.to_out = nn.Linear(config.width, config.width)
        self.weights = None

    def project(self, x):
        return tuple(p.unflatten(-1, (self.heads, -1)).transpose(1, 2) for p in self.to_qkv(x).chunk(3, dim=-1))

    def forward(self, x):
        query, key, value = self.project(x)
        T = x.shape[1]
        scores = query @ key.mT / math.sqrt(query.shape[-1])
        future = torch.ones(T, T, dtype=torch.bool, device=x.device).triu(1)
        weights = scores.masked_fill(future, -math.inf).softmax(dim=-1)
        self.weights = weights.detach().mean(1, keepdim=True)
        weights = F.dropout(weights, self.dropout, self.training)
        mixed = (weights @ value).transpose(1, 2).flatten(2)
        return F.dropout(self.to_out(mixed), self.dropout, self.training)


# %% wrong causal_self_attention: stores the weights after dropout
class CausalSelfAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.heads, self.dropout = config.heads, config.dropout
        self.to_qkv = nn.Linear(config.width, 3 * config.width)
        self.to_out = nn.Linear(config.width, config.width)
        self.weights = None

    def project(self, x):
        return tuple(p.unflatten(-1, (self.heads, -1)).transpose(1, 2) for p in self.to_qkv(x).chunk(3, dim=-1))

    def forward(self, x):
        query, key, value = self.project(x)
        T = x.shape[1]
        scores = query @ key.mT / math.sqrt(query.shape[-1])
        future = torch.ones(T, T, dtype=torch.bool, device=x.device).triu(1)
        weights = scores.masked_fill(future, -math.inf).softmax(dim=-1)
        
        weights = F.dropout(weights, self.dropout, self.training)
        self.weights = weights.detach()
        mixed = (weights @ value).transpose(1, 2).flatten(2)
        return F.dropout(self.to_out(mixed), self.dropout, self.training)


# %% wrong causal_self_attention: forgets the last map
class CausalSelfAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.heads, self.dropout = config.heads, config.dropout
        self.to_qkv = nn.Linear(config.width, 3 * config.width)
        self.to_out = nn.Linear(config.width, config.width)
        self.weights = None

    def project(self, x):
        return tuple(p.unflatten(-1, (self.heads, -1)).transpose(1, 2) for p in self.to_qkv(x).chunk(3, dim=-1))

    def forward(self, x):
        query, key, value = self.project(x)
        T = x.shape[1]
        scores = query @ key.mT / math.sqrt(query.shape[-1])
        future = torch.ones(T, T, dtype=torch.bool, device=x.device).triu(1)
        weights = scores.masked_fill(future, -math.inf).softmax(dim=-1)
        self.weights = weights.detach()
        weights = F.dropout(weights, self.dropout, self.training)
        mixed = (weights @ value).transpose(1, 2).flatten(2)
        return F.dropout(mixed, self.dropout, self.training)


# %% right causal_self_attention: einsum, three slices, the lowest finite number as fill
class CausalSelfAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.heads, self.dropout = config.heads, config.dropout
        self.to_qkv = nn.Linear(config.width, 3 * config.width)
        self.to_out = nn.Linear(config.width, config.width)
        self.weights = None

    def project(self, x):
        B, T, D = x.shape
        flat = self.to_qkv(x)
        pieces = flat[..., :D], flat[..., D : 2 * D], flat[..., 2 * D :]
        return [piece.view(B, T, self.heads, D // self.heads).permute(0, 2, 1, 3) for piece in pieces]

    def forward(self, x):
        B, T, D = x.shape
        q, k, v = self.project(x)
        scores = torch.einsum("bhqd,bhkd->bhqk", q * (D // self.heads) ** -0.5, k)
        place = torch.arange(T, device=x.device)
        scores = torch.where(place[:, None] >= place, scores, torch.finfo(scores.dtype).min)
        weights = scores.softmax(-1)
        self.weights = weights.detach().clone()
        if self.training and self.dropout > 0:
            weights = F.dropout(weights, self.dropout)
        out = torch.einsum("bhqk,bhkd->bqhd", weights, v).reshape(B, T, D)
        return F.dropout(self.to_out(out), p=self.dropout, training=self.training)


# %% right causal_self_attention: a mask that is added, one head at a time
class CausalSelfAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.heads, self.dropout = config.heads, config.dropout
        self.to_qkv = nn.Linear(config.width, 3 * config.width)
        self.to_out = nn.Linear(config.width, config.width)
        self.weights = None

    def project(self, x):
        q, k, v = torch.tensor_split(self.to_qkv(x), 3, dim=-1)
        return tuple(torch.stack(part.chunk(self.heads, dim=-1), dim=1) for part in (q, k, v))

    def forward(self, x):
        q, k, v = self.project(x)
        mask = torch.full((x.size(1), x.size(1)), float("-inf"), device=x.device, dtype=x.dtype).triu(diagonal=1)
        kept, mixed = [], []
        for i in range(self.heads):
            w = torch.softmax(q[:, i].bmm(k[:, i].transpose(1, 2)) / q.size(-1) ** 0.5 + mask, dim=-1)
            kept.append(w.detach())
            mixed.append(nn.functional.dropout(w, self.dropout, self.training) @ v[:, i])
        self.weights = torch.stack(kept, dim=1)
        return nn.functional.dropout(self.to_out(torch.cat(mixed, dim=-1)), self.dropout, self.training)


# %% wrong feed_forward: the exact GELU
def gelu(x):
    return F.gelu(x)


class FeedForward(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.dropout = config.dropout
        self.to_hidden = nn.Linear(config.width, 4 * config.width)
        self.to_out = nn.Linear(4 * config.width, config.width)

    def forward(self, x):
        return F.dropout(self.to_out(gelu(self.to_hidden(x))), self.dropout, self.training)


# %% wrong feed_forward: the other approximation, x times sigmoid(1.702 x)
def gelu(x):
    return x * torch.sigmoid(1.702 * x)


class FeedForward(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.dropout = config.dropout
        self.to_hidden = nn.Linear(config.width, 4 * config.width)
        self.to_out = nn.Linear(4 * config.width, config.width)

    def forward(self, x):
        return F.dropout(self.to_out(gelu(self.to_hidden(x))), self.dropout, self.training)


# %% wrong feed_forward: a ReLU
def gelu(x):
    return x.relu()


class FeedForward(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.dropout = config.dropout
        self.to_hidden = nn.Linear(config.width, 4 * config.width)
        self.to_out = nn.Linear(4 * config.width, config.width)

    def forward(self, x):
        return F.dropout(self.to_out(gelu(self.to_hidden(x))), self.dropout, self.training)


# %% wrong feed_forward: the cube without its factor
def gelu(x):
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + x**3)))


class FeedForward(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.dropout = config.dropout
        self.to_hidden = nn.Linear(config.width, 4 * config.width)
        self.to_out = nn.Linear(4 * config.width, config.width)

    def forward(self, x):
        return F.dropout(self.to_out(gelu(self.to_hidden(x))), self.dropout, self.training)


# %% wrong feed_forward: the square root over 2 only
def gelu(x):
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2) / math.pi * (x + 0.044715 * x**3)))


class FeedForward(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.dropout = config.dropout
        self.to_hidden = nn.Linear(config.width, 4 * config.width)
        self.to_out = nn.Linear(4 * config.width, config.width)

    def forward(self, x):
        return F.dropout(self.to_out(gelu(self.to_hidden(x))), self.dropout, self.training)


# %% wrong feed_forward: writes into its argument
def gelu(x):
    y = F.gelu(x.detach(), approximate='tanh')
    with torch.no_grad():
        x.copy_(y)
    return x


class FeedForward(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.dropout = config.dropout
        self.to_hidden = nn.Linear(config.width, 4 * config.width)
        self.to_out = nn.Linear(4 * config.width, config.width)

    def forward(self, x):
        return F.dropout(self.to_out(gelu(self.to_hidden(x))), self.dropout, self.training)


# %% wrong feed_forward: no bend between the layers
def gelu(x):
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


class FeedForward(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.dropout = config.dropout
        self.to_hidden = nn.Linear(config.width, 4 * config.width)
        self.to_out = nn.Linear(4 * config.width, config.width)

    def forward(self, x):
        return F.dropout(self.to_out(self.to_hidden(x)), self.dropout, self.training)


# %% wrong feed_forward: a bend after the second layer too
def gelu(x):
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


class FeedForward(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.dropout = config.dropout
        self.to_hidden = nn.Linear(config.width, 4 * config.width)
        self.to_out = nn.Linear(4 * config.width, config.width)

    def forward(self, x):
        return F.dropout(gelu(self.to_out(gelu(self.to_hidden(x)))), self.dropout, self.training)


# %% wrong feed_forward: drops in eval mode too
def gelu(x):
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


class FeedForward(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.dropout = config.dropout
        self.to_hidden = nn.Linear(config.width, 4 * config.width)
        self.to_out = nn.Linear(4 * config.width, config.width)

    def forward(self, x):
        return F.dropout(self.to_out(gelu(self.to_hidden(x))), self.dropout)


# %% wrong feed_forward: drops the hidden numbers instead of the result
def gelu(x):
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


class FeedForward(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.dropout = config.dropout
        self.to_hidden = nn.Linear(config.width, 4 * config.width)
        self.to_out = nn.Linear(4 * config.width, config.width)

    def forward(self, x):
        return self.to_out(F.dropout(gelu(self.to_hidden(x)), self.dropout, self.training))


# %% wrong feed_forward: no dropout
def gelu(x):
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


class FeedForward(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.dropout = config.dropout
        self.to_hidden = nn.Linear(config.width, 4 * config.width)
        self.to_out = nn.Linear(4 * config.width, config.width)

    def forward(self, x):
        return self.to_out(gelu(self.to_hidden(x)))


# %% right feed_forward: the formula written out
def gelu(x):
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


class FeedForward(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.dropout = config.dropout
        self.to_hidden = nn.Linear(config.width, 4 * config.width)
        self.to_out = nn.Linear(4 * config.width, config.width)

    def forward(self, x):
        return F.dropout(self.to_out(gelu(self.to_hidden(x))), self.dropout, self.training)


# %% right feed_forward: a module of PyTorch, the cube as a product
def gelu(x):
    inner = (2 / math.pi) ** 0.5 * x * (1 + 0.044715 * x * x)
    return x * (1 + inner.tanh()) / 2


class FeedForward(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.dropout = config.dropout
        self.to_hidden = nn.Linear(config.width, 4 * config.width)
        self.to_out = nn.Linear(4 * config.width, config.width)

    def forward(self, x):
        hidden = nn.GELU("tanh")(F.linear(x, self.to_hidden.weight, self.to_hidden.bias))
        result = self.to_out(hidden)
        return nn.Dropout(self.dropout)(result) if self.training else result


# %% right feed_forward: the same bend by a sigmoid of twice the argument
def gelu(x):
    return x * torch.sigmoid(2 * math.sqrt(2 / math.pi) * (x + 0.044715 * x.pow(3)))


class FeedForward(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.dropout = config.dropout
        self.to_hidden = nn.Linear(config.width, 4 * config.width)
        self.to_out = nn.Linear(4 * config.width, config.width)

    def forward(self, x):
        return F.dropout(self.to_out(gelu(self.to_hidden(x))), self.dropout, self.training)


# %% wrong blocks: pre-norm code under the name of post-norm
class Block(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.norm_1, self.norm_2 = nn.LayerNorm(config.width), nn.LayerNorm(config.width)
        self.attention, self.feed_forward = CausalSelfAttention(config), FeedForward(config)

    def forward(self, x):
        x = x + self.attention(self.norm_1(x))
        return x + self.feed_forward(self.norm_2(x))


class PostNormBlock(Block):
    def forward(self, x):
        x = x + self.attention(self.norm_1(x))
        return x + self.feed_forward(self.norm_2(x))


# %% wrong blocks: post-norm code under the name of pre-norm
class Block(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.norm_1, self.norm_2 = nn.LayerNorm(config.width), nn.LayerNorm(config.width)
        self.attention, self.feed_forward = CausalSelfAttention(config), FeedForward(config)

    def forward(self, x):
        x = self.norm_1(x + self.attention(x))
        return self.norm_2(x + self.feed_forward(x))


class PostNormBlock(Block):
    def forward(self, x):
        x = self.norm_1(x + self.attention(x))
        return self.norm_2(x + self.feed_forward(x))


# %% wrong blocks: adds to the normalised copy instead of the stream
class Block(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.norm_1, self.norm_2 = nn.LayerNorm(config.width), nn.LayerNorm(config.width)
        self.attention, self.feed_forward = CausalSelfAttention(config), FeedForward(config)

    def forward(self, x):
        y = self.norm_1(x)
        x = y + self.attention(y)
        y = self.norm_2(x)
        return y + self.feed_forward(y)


class PostNormBlock(Block):
    def forward(self, x):
        x = self.norm_1(x + self.attention(x))
        return self.norm_2(x + self.feed_forward(x))


# %% wrong blocks: both parts side by side, as in GPT-J
class Block(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.norm_1, self.norm_2 = nn.LayerNorm(config.width), nn.LayerNorm(config.width)
        self.attention, self.feed_forward = CausalSelfAttention(config), FeedForward(config)

    def forward(self, x):
        return x + self.attention(self.norm_1(x)) + self.feed_forward(self.norm_2(x))


class PostNormBlock(Block):
    def forward(self, x):
        x = self.norm_1(x + self.attention(x))
        return self.norm_2(x + self.feed_forward(x))


# %% wrong blocks: one norm used twice
class Block(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.norm_1, self.norm_2 = nn.LayerNorm(config.width), nn.LayerNorm(config.width)
        self.attention, self.feed_forward = CausalSelfAttention(config), FeedForward(config)

    def forward(self, x):
        x = x + self.attention(self.norm_1(x))
        return x + self.feed_forward(self.norm_1(x))


class PostNormBlock(Block):
    def forward(self, x):
        x = self.norm_1(x + self.attention(x))
        return self.norm_2(x + self.feed_forward(x))


# %% wrong blocks: no residual connection around the feed-forward part
class Block(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.norm_1, self.norm_2 = nn.LayerNorm(config.width), nn.LayerNorm(config.width)
        self.attention, self.feed_forward = CausalSelfAttention(config), FeedForward(config)

    def forward(self, x):
        x = x + self.attention(self.norm_1(x))
        return self.feed_forward(self.norm_2(x))


class PostNormBlock(Block):
    def forward(self, x):
        x = self.norm_1(x + self.attention(x))
        return self.norm_2(x + self.feed_forward(x))


# %% wrong blocks: normalises the result of each part before it is added
class Block(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.norm_1, self.norm_2 = nn.LayerNorm(config.width), nn.LayerNorm(config.width)
        self.attention, self.feed_forward = CausalSelfAttention(config), FeedForward(config)

    def forward(self, x):
        x = x + self.attention(self.norm_1(x))
        return x + self.feed_forward(self.norm_2(x))


class PostNormBlock(Block):
    def forward(self, x):
        x = x + self.norm_1(self.attention(x))
        return x + self.norm_2(self.feed_forward(x))


# %% wrong blocks: normalises once, at the end
class Block(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.norm_1, self.norm_2 = nn.LayerNorm(config.width), nn.LayerNorm(config.width)
        self.attention, self.feed_forward = CausalSelfAttention(config), FeedForward(config)

    def forward(self, x):
        x = x + self.attention(self.norm_1(x))
        return x + self.feed_forward(self.norm_2(x))


class PostNormBlock(Block):
    def forward(self, x):
        x = x + self.attention(x)
        return self.norm_2(x + self.feed_forward(x))


# %% wrong blocks: feed-forward first
class Block(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.norm_1, self.norm_2 = nn.LayerNorm(config.width), nn.LayerNorm(config.width)
        self.attention, self.feed_forward = CausalSelfAttention(config), FeedForward(config)

    def forward(self, x):
        x = x + self.feed_forward(self.norm_2(x))
        return x + self.attention(self.norm_1(x))


class PostNormBlock(Block):
    def forward(self, x):
        x = self.norm_1(x + self.attention(x))
        return self.norm_2(x + self.feed_forward(x))


# %% wrong blocks: adds in place to the caller's stream
class Block(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.norm_1, self.norm_2 = nn.LayerNorm(config.width), nn.LayerNorm(config.width)
        self.attention, self.feed_forward = CausalSelfAttention(config), FeedForward(config)

    def forward(self, x):
        with torch.no_grad():
            x += self.attention(self.norm_1(x))
        return x + self.feed_forward(self.norm_2(x))


class PostNormBlock(Block):
    def forward(self, x):
        x = self.norm_1(x + self.attention(x))
        return self.norm_2(x + self.feed_forward(x))


# %% wrong blocks: the two norms exchanged in the post-norm block
class Block(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.norm_1, self.norm_2 = nn.LayerNorm(config.width), nn.LayerNorm(config.width)
        self.attention, self.feed_forward = CausalSelfAttention(config), FeedForward(config)

    def forward(self, x):
        x = x + self.attention(self.norm_1(x))
        return x + self.feed_forward(self.norm_2(x))


class PostNormBlock(Block):
    def forward(self, x):
        x = self.norm_2(x + self.attention(x))
        return self.norm_1(x + self.feed_forward(x))


# %% right blocks: one line each
class Block(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.norm_1, self.norm_2 = nn.LayerNorm(config.width), nn.LayerNorm(config.width)
        self.attention, self.feed_forward = CausalSelfAttention(config), FeedForward(config)

    def forward(self, x):
        middle = torch.add(x, self.attention(self.norm_1(x)))
        return torch.add(self.feed_forward(self.norm_2(middle)), middle)


class PostNormBlock(Block):
    def forward(self, x):
        middle = self.norm_1(self.attention(x) + x)
        return self.norm_2(self.feed_forward(middle) + middle)


# %% right blocks: loops over the parts
class Block(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.norm_1, self.norm_2 = nn.LayerNorm(config.width), nn.LayerNorm(config.width)
        self.attention, self.feed_forward = CausalSelfAttention(config), FeedForward(config)

    def forward(self, x):
        for norm, part in ((self.norm_1, self.attention), (self.norm_2, self.feed_forward)):
            x = x + part(norm(x))
        return x


class PostNormBlock(Block):
    def forward(self, x):
        for norm, part in ((self.norm_1, self.attention), (self.norm_2, self.feed_forward)):
            x = norm(x + part(x))
        return x


# %% wrong initialise: nothing is shrunk
def initialise(model, layers):
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(parameter)
        elif "norm" not in name:
            nn.init.normal_(parameter, std=0.02)


# %% wrong initialise: everything is shrunk
def initialise(model, layers):
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(parameter)
        elif "norm" not in name:
            nn.init.normal_(parameter, std=0.02 / math.sqrt(2 * layers))


# %% wrong initialise: divides by the layers, equal to the root of twice as many for two
def initialise(model, layers):
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(parameter)
        elif "norm" not in name:
            nn.init.normal_(parameter, std=0.02 / (layers if "to_out" in name else 1))


# %% wrong initialise: the root of the layers, not of twice as many
def initialise(model, layers):
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(parameter)
        elif "norm" not in name:
            nn.init.normal_(parameter, std=0.02 / (math.sqrt(layers) if "to_out" in name else 1))


# %% wrong initialise: shrinks attention only
def initialise(model, layers):
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(parameter)
        elif "norm" not in name:
            nn.init.normal_(parameter, std=0.02 / (math.sqrt(2 * layers) if "attention.to_out" in name else 1))


# %% wrong initialise: shrinks the wrong layer of the feed-forward net
def initialise(model, layers):
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(parameter)
        elif "norm" not in name:
            nn.init.normal_(parameter, std=0.02 / (math.sqrt(2 * layers) if "attention.to_out" in name or "to_hidden" in name else 1))


# %% wrong initialise: always as for two layers
def initialise(model, layers):
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(parameter)
        elif "norm" not in name:
            nn.init.normal_(parameter, std=0.01 if "to_out" in name else 0.02)


# %% wrong initialise: norms are drawn like matrices
def initialise(model, layers):
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(parameter)
        elif True:
            nn.init.normal_(parameter, std=0.02 / (math.sqrt(2 * layers) if "to_out" in name else 1))


# %% wrong initialise: the biases of the norms are left
def initialise(model, layers):
    for name, parameter in model.named_parameters():
        if name.endswith("bias") and "norm" not in name:
            nn.init.zeros_(parameter)
        elif "norm" not in name:
            nn.init.normal_(parameter, std=0.02 / (math.sqrt(2 * layers) if "to_out" in name else 1))


# %% wrong initialise: uniform with the right spread
def initialise(model, layers):
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(parameter)
        elif "norm" not in name:
            limit = math.sqrt(3) * 0.02 / (math.sqrt(2 * layers) if "to_out" in name else 1)
            nn.init.uniform_(parameter, -limit, limit)


# %% wrong initialise: the same numbers in every matrix
def initialise(model, layers):
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(parameter)
        elif "norm" not in name:
            generator = torch.Generator().manual_seed(0)
            nn.init.normal_(parameter, std=0.02 / (math.sqrt(2 * layers) if "to_out" in name else 1), generator=generator)


# %% wrong initialise: a variance where the standard deviation is asked
def initialise(model, layers):
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(parameter)
        elif "norm" not in name:
            nn.init.normal_(parameter, std=math.sqrt(0.02 / (math.sqrt(2 * layers) if "to_out" in name else 1)))


# %% right initialise: in place under no_grad, norms set to 1
@torch.no_grad()
def initialise(model, layers):
    for name, parameter in model.named_parameters():
        if name.split(".")[-1] == "bias":
            parameter.fill_(0.0)
        elif "norm" in name:
            parameter.fill_(1.0)
        else:
            parameter.copy_(torch.randn_like(parameter) * 0.02)
            if ".to_out." in name:
                parameter.div_((2 * layers) ** 0.5)


# %% right initialise: by the kind of the module
def initialise(model, layers):
    for name, module in model.named_modules():
        if isinstance(module, (nn.Linear, nn.Embedding)):
            std = 0.02 * (2 * layers) ** -0.5 if name.endswith("to_out") else 0.02
            module.weight.data.normal_(mean=0.0, std=std)
        if getattr(module, "bias", None) is not None:
            module.bias.data.zero_()


# %% wrong gpt: no positions
class GPT(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.tokens = nn.Embedding(config.vocabulary, config.width)
        self.positions = nn.Embedding(config.block_size, config.width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)
        self.initialise()

    def initialise(self):
        initialise(self, self.config.layers)

    def embed(self, tokens, start=0):
        end = start + tokens.shape[1]
        if end > self.config.block_size:
            raise ValueError(f"{end} tokens, but the block size is {self.config.block_size}")
        places = torch.arange(start, end, device=tokens.device)
        x = self.tokens(tokens)
        return F.dropout(x, self.config.dropout, self.training)

    def unembed(self, x):
        return F.linear(self.norm(x), self.tokens.weight)

    def forward(self, tokens):
        x = self.embed(tokens)
        for block in self.blocks:
            x = block(x)
        return self.unembed(x)

    def loss(self, tokens, targets):
        return F.cross_entropy(self(tokens).flatten(0, 1), targets.flatten())


# %% wrong gpt: ignores start
class GPT(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.tokens = nn.Embedding(config.vocabulary, config.width)
        self.positions = nn.Embedding(config.block_size, config.width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)
        self.initialise()

    def initialise(self):
        initialise(self, self.config.layers)

    def embed(self, tokens, start=0):
        end = start + tokens.shape[1]
        if end > self.config.block_size:
            raise ValueError(f"{end} tokens, but the block size is {self.config.block_size}")
        places = torch.arange(tokens.shape[1], device=tokens.device)
        x = self.tokens(tokens) + self.positions(places)
        return F.dropout(x, self.config.dropout, self.training)

    def unembed(self, x):
        return F.linear(self.norm(x), self.tokens.weight)

    def forward(self, tokens):
        x = self.embed(tokens)
        for block in self.blocks:
            x = block(x)
        return self.unembed(x)

    def loss(self, tokens, targets):
        return F.cross_entropy(self(tokens).flatten(0, 1), targets.flatten())


# %% wrong gpt: multiplies token vectors by the root of the width, as week 6 did
class GPT(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.tokens = nn.Embedding(config.vocabulary, config.width)
        self.positions = nn.Embedding(config.block_size, config.width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)
        self.initialise()

    def initialise(self):
        initialise(self, self.config.layers)

    def embed(self, tokens, start=0):
        end = start + tokens.shape[1]
        if end > self.config.block_size:
            raise ValueError(f"{end} tokens, but the block size is {self.config.block_size}")
        places = torch.arange(start, end, device=tokens.device)
        x = self.tokens(tokens) * math.sqrt(self.config.width) + self.positions(places)
        return F.dropout(x, self.config.dropout, self.training)

    def unembed(self, x):
        return F.linear(self.norm(x), self.tokens.weight)

    def forward(self, tokens):
        x = self.embed(tokens)
        for block in self.blocks:
            x = block(x)
        return self.unembed(x)

    def loss(self, tokens, targets):
        return F.cross_entropy(self(tokens).flatten(0, 1), targets.flatten())


# %% wrong gpt: no final norm
class GPT(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.tokens = nn.Embedding(config.vocabulary, config.width)
        self.positions = nn.Embedding(config.block_size, config.width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)
        self.initialise()

    def initialise(self):
        initialise(self, self.config.layers)

    def embed(self, tokens, start=0):
        end = start + tokens.shape[1]
        if end > self.config.block_size:
            raise ValueError(f"{end} tokens, but the block size is {self.config.block_size}")
        places = torch.arange(start, end, device=tokens.device)
        x = self.tokens(tokens) + self.positions(places)
        return F.dropout(x, self.config.dropout, self.training)

    def unembed(self, x):
        return F.linear(x, self.tokens.weight)

    def forward(self, tokens):
        x = self.embed(tokens)
        for block in self.blocks:
            x = block(x)
        return self.unembed(x)

    def loss(self, tokens, targets):
        return F.cross_entropy(self(tokens).flatten(0, 1), targets.flatten())


# %% wrong gpt: an output matrix of its own
class GPT(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.tokens = nn.Embedding(config.vocabulary, config.width)
        self.positions = nn.Embedding(config.block_size, config.width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)
        self.head = nn.Linear(config.width, config.vocabulary, bias=False)
        self.head.weight.data.copy_(self.tokens.weight.data)
        self.initialise()

    def initialise(self):
        initialise(self, self.config.layers)

    def embed(self, tokens, start=0):
        end = start + tokens.shape[1]
        if end > self.config.block_size:
            raise ValueError(f"{end} tokens, but the block size is {self.config.block_size}")
        places = torch.arange(start, end, device=tokens.device)
        x = self.tokens(tokens) + self.positions(places)
        return F.dropout(x, self.config.dropout, self.training)

    def unembed(self, x):
        return self.head(self.norm(x))

    def forward(self, tokens):
        x = self.embed(tokens)
        for block in self.blocks:
            x = block(x)
        return self.unembed(x)

    def loss(self, tokens, targets):
        return F.cross_entropy(self(tokens).flatten(0, 1), targets.flatten())


# %% wrong gpt: the output shares the numbers but not the gradient
class GPT(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.tokens = nn.Embedding(config.vocabulary, config.width)
        self.positions = nn.Embedding(config.block_size, config.width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)
        self.initialise()

    def initialise(self):
        initialise(self, self.config.layers)

    def embed(self, tokens, start=0):
        end = start + tokens.shape[1]
        if end > self.config.block_size:
            raise ValueError(f"{end} tokens, but the block size is {self.config.block_size}")
        places = torch.arange(start, end, device=tokens.device)
        x = self.tokens(tokens) + self.positions(places)
        return F.dropout(x, self.config.dropout, self.training)

    def unembed(self, x):
        return F.linear(self.norm(x), self.tokens.weight.detach())

    def forward(self, tokens):
        x = self.embed(tokens)
        for block in self.blocks:
            x = block(x)
        return self.unembed(x)

    def loss(self, tokens, targets):
        return F.cross_entropy(self(tokens).flatten(0, 1), targets.flatten())


# %% wrong gpt: uses only the first block
class GPT(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.tokens = nn.Embedding(config.vocabulary, config.width)
        self.positions = nn.Embedding(config.block_size, config.width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)
        self.initialise()

    def initialise(self):
        initialise(self, self.config.layers)

    def embed(self, tokens, start=0):
        end = start + tokens.shape[1]
        if end > self.config.block_size:
            raise ValueError(f"{end} tokens, but the block size is {self.config.block_size}")
        places = torch.arange(start, end, device=tokens.device)
        x = self.tokens(tokens) + self.positions(places)
        return F.dropout(x, self.config.dropout, self.training)

    def unembed(self, x):
        return F.linear(self.norm(x), self.tokens.weight)

    def forward(self, tokens):
        x = self.embed(tokens)
        for block in self.blocks[:1]:
            x = block(x)
        return self.unembed(x)

    def loss(self, tokens, targets):
        return F.cross_entropy(self(tokens).flatten(0, 1), targets.flatten())


# %% wrong gpt: the blocks in reverse order
class GPT(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.tokens = nn.Embedding(config.vocabulary, config.width)
        self.positions = nn.Embedding(config.block_size, config.width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)
        self.initialise()

    def initialise(self):
        initialise(self, self.config.layers)

    def embed(self, tokens, start=0):
        end = start + tokens.shape[1]
        if end > self.config.block_size:
            raise ValueError(f"{end} tokens, but the block size is {self.config.block_size}")
        places = torch.arange(start, end, device=tokens.device)
        x = self.tokens(tokens) + self.positions(places)
        return F.dropout(x, self.config.dropout, self.training)

    def unembed(self, x):
        return F.linear(self.norm(x), self.tokens.weight)

    def forward(self, tokens):
        x = self.embed(tokens)
        for block in reversed(self.blocks):
            x = block(x)
        return self.unembed(x)

    def loss(self, tokens, targets):
        return F.cross_entropy(self(tokens).flatten(0, 1), targets.flatten())


# %% wrong gpt: shifts the targets once more
class GPT(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.tokens = nn.Embedding(config.vocabulary, config.width)
        self.positions = nn.Embedding(config.block_size, config.width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)
        self.initialise()

    def initialise(self):
        initialise(self, self.config.layers)

    def embed(self, tokens, start=0):
        end = start + tokens.shape[1]
        if end > self.config.block_size:
            raise ValueError(f"{end} tokens, but the block size is {self.config.block_size}")
        places = torch.arange(start, end, device=tokens.device)
        x = self.tokens(tokens) + self.positions(places)
        return F.dropout(x, self.config.dropout, self.training)

    def unembed(self, x):
        return F.linear(self.norm(x), self.tokens.weight)

    def forward(self, tokens):
        x = self.embed(tokens)
        for block in self.blocks:
            x = block(x)
        return self.unembed(x)

    def loss(self, tokens, targets):
        return F.cross_entropy(self(tokens)[:, :-1].flatten(0, 1), targets[:, 1:].flatten()) if tokens.shape[1] > 1 else self(tokens).sum() * 0


# %% wrong gpt: predicts the tokens that it was given
class GPT(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.tokens = nn.Embedding(config.vocabulary, config.width)
        self.positions = nn.Embedding(config.block_size, config.width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)
        self.initialise()

    def initialise(self):
        initialise(self, self.config.layers)

    def embed(self, tokens, start=0):
        end = start + tokens.shape[1]
        if end > self.config.block_size:
            raise ValueError(f"{end} tokens, but the block size is {self.config.block_size}")
        places = torch.arange(start, end, device=tokens.device)
        x = self.tokens(tokens) + self.positions(places)
        return F.dropout(x, self.config.dropout, self.training)

    def unembed(self, x):
        return F.linear(self.norm(x), self.tokens.weight)

    def forward(self, tokens):
        x = self.embed(tokens)
        for block in self.blocks:
            x = block(x)
        return self.unembed(x)

    def loss(self, tokens, targets):
        return F.cross_entropy(self(tokens).flatten(0, 1), tokens.flatten())


# %% wrong gpt: a sum instead of a mean
class GPT(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.tokens = nn.Embedding(config.vocabulary, config.width)
        self.positions = nn.Embedding(config.block_size, config.width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)
        self.initialise()

    def initialise(self):
        initialise(self, self.config.layers)

    def embed(self, tokens, start=0):
        end = start + tokens.shape[1]
        if end > self.config.block_size:
            raise ValueError(f"{end} tokens, but the block size is {self.config.block_size}")
        places = torch.arange(start, end, device=tokens.device)
        x = self.tokens(tokens) + self.positions(places)
        return F.dropout(x, self.config.dropout, self.training)

    def unembed(self, x):
        return F.linear(self.norm(x), self.tokens.weight)

    def forward(self, tokens):
        x = self.embed(tokens)
        for block in self.blocks:
            x = block(x)
        return self.unembed(x)

    def loss(self, tokens, targets):
        return F.cross_entropy(self(tokens).flatten(0, 1), targets.flatten(), reduction="sum")


# %% wrong gpt: token 0 is taken for padding
class GPT(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.tokens = nn.Embedding(config.vocabulary, config.width)
        self.positions = nn.Embedding(config.block_size, config.width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)
        self.initialise()

    def initialise(self):
        initialise(self, self.config.layers)

    def embed(self, tokens, start=0):
        end = start + tokens.shape[1]
        if end > self.config.block_size:
            raise ValueError(f"{end} tokens, but the block size is {self.config.block_size}")
        places = torch.arange(start, end, device=tokens.device)
        x = self.tokens(tokens) + self.positions(places)
        return F.dropout(x, self.config.dropout, self.training)

    def unembed(self, x):
        return F.linear(self.norm(x), self.tokens.weight)

    def forward(self, tokens):
        x = self.embed(tokens)
        for block in self.blocks:
            x = block(x)
        return self.unembed(x)

    def loss(self, tokens, targets):
        return F.cross_entropy(self(tokens).flatten(0, 1), targets.flatten(), ignore_index=0)


# %% wrong gpt: one token less than the block size is allowed
class GPT(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.tokens = nn.Embedding(config.vocabulary, config.width)
        self.positions = nn.Embedding(config.block_size, config.width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)
        self.initialise()

    def initialise(self):
        initialise(self, self.config.layers)

    def embed(self, tokens, start=0):
        end = start + tokens.shape[1]
        if end >= self.config.block_size:
            raise ValueError(f"{end} tokens, but the block size is {self.config.block_size}")
        places = torch.arange(start, end, device=tokens.device)
        x = self.tokens(tokens) + self.positions(places)
        return F.dropout(x, self.config.dropout, self.training)

    def unembed(self, x):
        return F.linear(self.norm(x), self.tokens.weight)

    def forward(self, tokens):
        x = self.embed(tokens)
        for block in self.blocks:
            x = block(x)
        return self.unembed(x)

    def loss(self, tokens, targets):
        return F.cross_entropy(self(tokens).flatten(0, 1), targets.flatten())


# %% wrong gpt: too long sequences reuse the last position
class GPT(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.tokens = nn.Embedding(config.vocabulary, config.width)
        self.positions = nn.Embedding(config.block_size, config.width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)
        self.initialise()

    def initialise(self):
        initialise(self, self.config.layers)

    def embed(self, tokens, start=0):
        end = start + tokens.shape[1]
        
        places = torch.arange(start, end, device=tokens.device).clamp(max=self.config.block_size - 1)
        x = self.tokens(tokens) + self.positions(places)
        return F.dropout(x, self.config.dropout, self.training)

    def unembed(self, x):
        return F.linear(self.norm(x), self.tokens.weight)

    def forward(self, tokens):
        x = self.embed(tokens)
        for block in self.blocks:
            x = block(x)
        return self.unembed(x)

    def loss(self, tokens, targets):
        return F.cross_entropy(self(tokens).flatten(0, 1), targets.flatten())


# %% wrong gpt: checks the length without start
class GPT(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.tokens = nn.Embedding(config.vocabulary, config.width)
        self.positions = nn.Embedding(config.block_size, config.width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)
        self.initialise()

    def initialise(self):
        initialise(self, self.config.layers)

    def embed(self, tokens, start=0):
        end = start + tokens.shape[1]
        if tokens.shape[1] > self.config.block_size:
            raise ValueError(f"{tokens.shape[1]} tokens, but the block size is {self.config.block_size}")
        places = torch.arange(start, end, device=tokens.device).clamp(max=self.config.block_size - 1)
        x = self.tokens(tokens) + self.positions(places)
        return F.dropout(x, self.config.dropout, self.training)

    def unembed(self, x):
        return F.linear(self.norm(x), self.tokens.weight)

    def forward(self, tokens):
        x = self.embed(tokens)
        for block in self.blocks:
            x = block(x)
        return self.unembed(x)

    def loss(self, tokens, targets):
        return F.cross_entropy(self(tokens).flatten(0, 1), targets.flatten())


# %% wrong gpt: drops in eval mode too
class GPT(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.tokens = nn.Embedding(config.vocabulary, config.width)
        self.positions = nn.Embedding(config.block_size, config.width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)
        self.initialise()

    def initialise(self):
        initialise(self, self.config.layers)

    def embed(self, tokens, start=0):
        end = start + tokens.shape[1]
        if end > self.config.block_size:
            raise ValueError(f"{end} tokens, but the block size is {self.config.block_size}")
        places = torch.arange(start, end, device=tokens.device)
        x = self.tokens(tokens) + self.positions(places)
        return F.dropout(x, self.config.dropout)

    def unembed(self, x):
        return F.linear(self.norm(x), self.tokens.weight)

    def forward(self, tokens):
        x = self.embed(tokens)
        for block in self.blocks:
            x = block(x)
        return self.unembed(x)

    def loss(self, tokens, targets):
        return F.cross_entropy(self(tokens).flatten(0, 1), targets.flatten())


# %% wrong gpt: no dropout on the embedding
class GPT(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.tokens = nn.Embedding(config.vocabulary, config.width)
        self.positions = nn.Embedding(config.block_size, config.width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)
        self.initialise()

    def initialise(self):
        initialise(self, self.config.layers)

    def embed(self, tokens, start=0):
        end = start + tokens.shape[1]
        if end > self.config.block_size:
            raise ValueError(f"{end} tokens, but the block size is {self.config.block_size}")
        places = torch.arange(start, end, device=tokens.device)
        x = self.tokens(tokens) + self.positions(places)
        return x

    def unembed(self, x):
        return F.linear(self.norm(x), self.tokens.weight)

    def forward(self, tokens):
        x = self.embed(tokens)
        for block in self.blocks:
            x = block(x)
        return self.unembed(x)

    def loss(self, tokens, targets):
        return F.cross_entropy(self(tokens).flatten(0, 1), targets.flatten())


# %% wrong gpt: drops token vectors alone
class GPT(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.tokens = nn.Embedding(config.vocabulary, config.width)
        self.positions = nn.Embedding(config.block_size, config.width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)
        self.initialise()

    def initialise(self):
        initialise(self, self.config.layers)

    def embed(self, tokens, start=0):
        end = start + tokens.shape[1]
        if end > self.config.block_size:
            raise ValueError(f"{end} tokens, but the block size is {self.config.block_size}")
        places = torch.arange(start, end, device=tokens.device)
        x = F.dropout(self.tokens(tokens), self.config.dropout, self.training) + self.positions(places)
        return x

    def unembed(self, x):
        return F.linear(self.norm(x), self.tokens.weight)

    def forward(self, tokens):
        x = self.embed(tokens)
        for block in self.blocks:
            x = block(x)
        return self.unembed(x)

    def loss(self, tokens, targets):
        return F.cross_entropy(self(tokens).flatten(0, 1), targets.flatten())


# %% right gpt: slices of the position table, a product for the logits
class GPT(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.tokens = nn.Embedding(config.vocabulary, config.width)
        self.positions = nn.Embedding(config.block_size, config.width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)
        self.initialise()

    def initialise(self):
        initialise(self, self.config.layers)

    def embed(self, tokens, start=0):
        end = start + tokens.shape[1]
        if end > self.config.block_size:
            raise ValueError(f"{end} tokens, but the block size is {self.config.block_size}")
        places = slice(start, end)
        x = self.tokens.weight[tokens] + self.positions.weight[places]
        return F.dropout(x, self.config.dropout, self.training)

    def unembed(self, x):
        return self.norm(x) @ self.tokens.weight.T

    def forward(self, tokens):
        x = self.embed(tokens)
        for block in self.blocks:
            x = block(x)
        return self.unembed(x)

    def loss(self, tokens, targets):
        return nn.CrossEntropyLoss()(self(tokens).transpose(1, 2), targets)


# %% right gpt: log-probabilities picked by hand
class GPT(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.tokens = nn.Embedding(config.vocabulary, config.width)
        self.positions = nn.Embedding(config.block_size, config.width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)
        self.initialise()

    def initialise(self):
        initialise(self, self.config.layers)

    def embed(self, tokens, start=0):
        end = start + tokens.shape[1]
        longest = self.positions.num_embeddings
        if longest < end:
            raise ValueError(f"the longest sequence has {longest} tokens, and this one would need {end}")
        places = torch.arange(start, end, device=tokens.device)
        x = F.embedding(tokens, self.tokens.weight) + F.embedding(places, self.positions.weight)[None]
        return F.dropout(x, self.config.dropout, self.training)

    def unembed(self, x):
        return F.linear(self.norm(x), self.tokens.weight)

    def forward(self, tokens):
        x = self.embed(tokens)
        for block in self.blocks:
            x = block(x)
        return self.unembed(x)

    def loss(self, tokens, targets):
        return -self(tokens).log_softmax(dim=-1).gather(-1, targets[..., None]).mean()


# %% wrong gpt2_weights: nothing is transposed
def from_gpt2(state):
    pieces = {
        "transformer.wte.": "tokens.",
        "transformer.wpe.": "positions.",
        "transformer.ln_f.": "norm.",
        "transformer.h.": "blocks.",
        ".ln_1.": ".norm_1.",
        ".ln_2.": ".norm_2.",
        ".attn.c_attn.": ".attention.to_qkv.",
        ".attn.c_proj.": ".attention.to_out.",
        ".mlp.c_fc.": ".feed_forward.to_hidden.",
        ".mlp.c_proj.": ".feed_forward.to_out.",
    }
    weights = {}
    for name, tensor in state.items():
        if name == "lm_head.weight" or name.endswith((".attn.bias", ".attn.masked_bias")):
            continue
        turn = False
        for theirs, ours in pieces.items():
            name = name.replace(theirs, ours)
        weights[name] = tensor.T if turn else tensor
    return weights


# %% wrong gpt2_weights: only matrices that are not square are transposed
def from_gpt2(state):
    pieces = {
        "transformer.wte.": "tokens.",
        "transformer.wpe.": "positions.",
        "transformer.ln_f.": "norm.",
        "transformer.h.": "blocks.",
        ".ln_1.": ".norm_1.",
        ".ln_2.": ".norm_2.",
        ".attn.c_attn.": ".attention.to_qkv.",
        ".attn.c_proj.": ".attention.to_out.",
        ".mlp.c_fc.": ".feed_forward.to_hidden.",
        ".mlp.c_proj.": ".feed_forward.to_out.",
    }
    weights = {}
    for name, tensor in state.items():
        if name == "lm_head.weight" or name.endswith((".attn.bias", ".attn.masked_bias")):
            continue
        turn = ".c_" in name and tensor.ndim == 2 and tensor.shape[0] != tensor.shape[1]
        for theirs, ours in pieces.items():
            name = name.replace(theirs, ours)
        weights[name] = tensor.T if turn else tensor
    return weights


# %% wrong gpt2_weights: forgets to transpose the output of attention
def from_gpt2(state):
    pieces = {
        "transformer.wte.": "tokens.",
        "transformer.wpe.": "positions.",
        "transformer.ln_f.": "norm.",
        "transformer.h.": "blocks.",
        ".ln_1.": ".norm_1.",
        ".ln_2.": ".norm_2.",
        ".attn.c_attn.": ".attention.to_qkv.",
        ".attn.c_proj.": ".attention.to_out.",
        ".mlp.c_fc.": ".feed_forward.to_hidden.",
        ".mlp.c_proj.": ".feed_forward.to_out.",
    }
    weights = {}
    for name, tensor in state.items():
        if name == "lm_head.weight" or name.endswith((".attn.bias", ".attn.masked_bias")):
            continue
        turn = ".c_" in name and name.endswith(".weight") and "attn.c_proj" not in name
        for theirs, ours in pieces.items():
            name = name.replace(theirs, ours)
        weights[name] = tensor.T if turn else tensor
    return weights


# %% wrong gpt2_weights: every matrix is transposed, embeddings too
def from_gpt2(state):
    pieces = {
        "transformer.wte.": "tokens.",
        "transformer.wpe.": "positions.",
        "transformer.ln_f.": "norm.",
        "transformer.h.": "blocks.",
        ".ln_1.": ".norm_1.",
        ".ln_2.": ".norm_2.",
        ".attn.c_attn.": ".attention.to_qkv.",
        ".attn.c_proj.": ".attention.to_out.",
        ".mlp.c_fc.": ".feed_forward.to_hidden.",
        ".mlp.c_proj.": ".feed_forward.to_out.",
    }
    weights = {}
    for name, tensor in state.items():
        if name == "lm_head.weight" or name.endswith((".attn.bias", ".attn.masked_bias")):
            continue
        turn = tensor.ndim == 2
        for theirs, ours in pieces.items():
            name = name.replace(theirs, ours)
        weights[name] = tensor.T if turn else tensor
    return weights


# %% wrong gpt2_weights: a view of the other shape instead of transposing
def from_gpt2(state):
    pieces = {
        "transformer.wte.": "tokens.",
        "transformer.wpe.": "positions.",
        "transformer.ln_f.": "norm.",
        "transformer.h.": "blocks.",
        ".ln_1.": ".norm_1.",
        ".ln_2.": ".norm_2.",
        ".attn.c_attn.": ".attention.to_qkv.",
        ".attn.c_proj.": ".attention.to_out.",
        ".mlp.c_fc.": ".feed_forward.to_hidden.",
        ".mlp.c_proj.": ".feed_forward.to_out.",
    }
    weights = {}
    for name, tensor in state.items():
        if name == "lm_head.weight" or name.endswith((".attn.bias", ".attn.masked_bias")):
            continue
        turn = ".c_" in name and name.endswith(".weight")
        for theirs, ours in pieces.items():
            name = name.replace(theirs, ours)
        weights[name] = tensor.reshape(tensor.shape[::-1]) if turn else tensor
    return weights


# %% wrong gpt2_weights: the two norms exchanged
def from_gpt2(state):
    pieces = {
        "transformer.wte.": "tokens.",
        "transformer.wpe.": "positions.",
        "transformer.ln_f.": "norm.",
        "transformer.h.": "blocks.",
        ".ln_1.": ".norm_2.",
        ".ln_2.": ".norm_1.",
        ".attn.c_attn.": ".attention.to_qkv.",
        ".attn.c_proj.": ".attention.to_out.",
        ".mlp.c_fc.": ".feed_forward.to_hidden.",
        ".mlp.c_proj.": ".feed_forward.to_out.",
    }
    weights = {}
    for name, tensor in state.items():
        if name == "lm_head.weight" or name.endswith((".attn.bias", ".attn.masked_bias")):
            continue
        turn = ".c_" in name and name.endswith(".weight")
        for theirs, ours in pieces.items():
            name = name.replace(theirs, ours)
        weights[name] = tensor.T if turn else tensor
    return weights


# %% wrong gpt2_weights: keeps the old buffers
def from_gpt2(state):
    pieces = {
        "transformer.wte.": "tokens.",
        "transformer.wpe.": "positions.",
        "transformer.ln_f.": "norm.",
        "transformer.h.": "blocks.",
        ".ln_1.": ".norm_1.",
        ".ln_2.": ".norm_2.",
        ".attn.c_attn.": ".attention.to_qkv.",
        ".attn.c_proj.": ".attention.to_out.",
        ".mlp.c_fc.": ".feed_forward.to_hidden.",
        ".mlp.c_proj.": ".feed_forward.to_out.",
    }
    weights = {}
    for name, tensor in state.items():
        if name == "lm_head.weight":
            continue
        turn = ".c_" in name and name.endswith(".weight")
        for theirs, ours in pieces.items():
            name = name.replace(theirs, ours)
        weights[name] = tensor.T if turn else tensor
    return weights


# %% wrong gpt2_weights: keeps the output matrix
def from_gpt2(state):
    pieces = {
        "transformer.wte.": "tokens.",
        "transformer.wpe.": "positions.",
        "transformer.ln_f.": "norm.",
        "transformer.h.": "blocks.",
        ".ln_1.": ".norm_1.",
        ".ln_2.": ".norm_2.",
        ".attn.c_attn.": ".attention.to_qkv.",
        ".attn.c_proj.": ".attention.to_out.",
        ".mlp.c_fc.": ".feed_forward.to_hidden.",
        ".mlp.c_proj.": ".feed_forward.to_out.",
    }
    weights = {}
    for name, tensor in state.items():
        if name.endswith((".attn.bias", ".attn.masked_bias")):
            continue
        turn = ".c_" in name and name.endswith(".weight")
        for theirs, ours in pieces.items():
            name = name.replace(theirs, ours)
        weights[name] = tensor.T if turn else tensor
    return weights


# %% wrong gpt2_weights: leaves out every bias of attention
def from_gpt2(state):
    pieces = {
        "transformer.wte.": "tokens.",
        "transformer.wpe.": "positions.",
        "transformer.ln_f.": "norm.",
        "transformer.h.": "blocks.",
        ".ln_1.": ".norm_1.",
        ".ln_2.": ".norm_2.",
        ".attn.c_attn.": ".attention.to_qkv.",
        ".attn.c_proj.": ".attention.to_out.",
        ".mlp.c_fc.": ".feed_forward.to_hidden.",
        ".mlp.c_proj.": ".feed_forward.to_out.",
    }
    weights = {}
    for name, tensor in state.items():
        if name == "lm_head.weight" or ("attn" in name and name.endswith("bias")):
            continue
        turn = ".c_" in name and name.endswith(".weight")
        for theirs, ours in pieces.items():
            name = name.replace(theirs, ours)
        weights[name] = tensor.T if turn else tensor
    return weights


# %% wrong gpt2_weights: loses blocks from 10 on
def from_gpt2(state):
    pieces = {
        "transformer.wte.": "tokens.",
        "transformer.wpe.": "positions.",
        "transformer.ln_f.": "norm.",
        "transformer.h.": "blocks.",
        ".ln_1.": ".norm_1.",
        ".ln_2.": ".norm_2.",
        ".attn.c_attn.": ".attention.to_qkv.",
        ".attn.c_proj.": ".attention.to_out.",
        ".mlp.c_fc.": ".feed_forward.to_hidden.",
        ".mlp.c_proj.": ".feed_forward.to_out.",
    }
    weights = {}
    for name, tensor in state.items():
        if name == "lm_head.weight" or name.endswith((".attn.bias", ".attn.masked_bias")) or (name.startswith("transformer.h.") and name[15] != "."):
            continue
        turn = ".c_" in name and name.endswith(".weight")
        for theirs, ours in pieces.items():
            name = name.replace(theirs, ours)
        weights[name] = tensor.T if turn else tensor
    return weights


# %% wrong gpt2_weights: transposes the caller's tensors in place
def from_gpt2(state):
    pieces = {
        "transformer.wte.": "tokens.",
        "transformer.wpe.": "positions.",
        "transformer.ln_f.": "norm.",
        "transformer.h.": "blocks.",
        ".ln_1.": ".norm_1.",
        ".ln_2.": ".norm_2.",
        ".attn.c_attn.": ".attention.to_qkv.",
        ".attn.c_proj.": ".attention.to_out.",
        ".mlp.c_fc.": ".feed_forward.to_hidden.",
        ".mlp.c_proj.": ".feed_forward.to_out.",
    }
    weights = {}
    for name, tensor in state.items():
        if name == "lm_head.weight" or name.endswith((".attn.bias", ".attn.masked_bias")):
            continue
        turn = ".c_" in name and name.endswith(".weight")
        for theirs, ours in pieces.items():
            name = name.replace(theirs, ours)
        weights[name] = tensor.t_() if turn else tensor
    return weights


# %% wrong gpt2_weights: takes names out of the caller's dictionary
def from_gpt2(state):
    pieces = {
        "transformer.wte.": "tokens.",
        "transformer.wpe.": "positions.",
        "transformer.ln_f.": "norm.",
        "transformer.h.": "blocks.",
        ".ln_1.": ".norm_1.",
        ".ln_2.": ".norm_2.",
        ".attn.c_attn.": ".attention.to_qkv.",
        ".attn.c_proj.": ".attention.to_out.",
        ".mlp.c_fc.": ".feed_forward.to_hidden.",
        ".mlp.c_proj.": ".feed_forward.to_out.",
    }
    weights = {}
    for name, tensor in list(state.items()):
        if (name == "lm_head.weight" or name.endswith((".attn.bias", ".attn.masked_bias"))) and (state.pop(name) is not None):
            continue
        turn = ".c_" in name and name.endswith(".weight")
        for theirs, ours in pieces.items():
            name = name.replace(theirs, ours)
        weights[name] = tensor.T if turn else tensor
    return weights


# %% right gpt2_weights: a walk over GPT's own names
def from_gpt2(state):
    layers = 1 + max(int(name.split(".")[2]) for name in state if name.startswith("transformer.h."))
    weights = {
        "tokens.weight": state["transformer.wte.weight"].clone(),
        "positions.weight": state["transformer.wpe.weight"].clone(),
        "norm.weight": state["transformer.ln_f.weight"].clone(),
        "norm.bias": state["transformer.ln_f.bias"].clone(),
    }
    for i in range(layers):
        theirs, ours = f"transformer.h.{i}.", f"blocks.{i}."
        for kind in ("weight", "bias"):
            for n in (1, 2):
                weights[f"{ours}norm_{n}.{kind}"] = state[f"{theirs}ln_{n}.{kind}"].clone()
            for their, our in (
                ("attn.c_attn", "attention.to_qkv"),
                ("attn.c_proj", "attention.to_out"),
                ("mlp.c_fc", "feed_forward.to_hidden"),
                ("mlp.c_proj", "feed_forward.to_out"),
            ):
                tensor = state[f"{theirs}{their}.{kind}"]
                weights[f"{ours}{our}.{kind}"] = tensor.t().contiguous() if kind == "weight" else tensor.clone()
    return weights


# %% right gpt2_weights: regular expressions
def from_gpt2(state):
    import re

    outer = {"wte": "tokens", "wpe": "positions", "ln_f": "norm"}
    inner = {"ln_1": "norm_1", "ln_2": "norm_2", "attn.c_attn": "attention.to_qkv", "attn.c_proj": "attention.to_out"}
    inner |= {"mlp.c_fc": "feed_forward.to_hidden", "mlp.c_proj": "feed_forward.to_out"}
    weights = {}
    for name, tensor in state.items():
        if found := re.fullmatch(r"transformer\.(wte|wpe|ln_f)\.(weight|bias)", name):
            weights[f"{outer[found[1]]}.{found[2]}"] = tensor
        elif found := re.fullmatch(r"transformer\.h\.(\d+)\.((?:attn|mlp)\.c_\w+|ln_[12])\.(weight|bias)", name):
            turned = tensor.transpose(0, 1) if tensor.ndim == 2 else tensor
            weights[f"blocks.{found[1]}.{inner[found[2]]}.{found[3]}"] = turned
    return weights


# %% wrong train_step: clips each gradient alone
def clip_gradients(parameters, limit):
    gradients = [p.grad for p in parameters if p.grad is not None]
    norm = torch.stack([g.norm() for g in gradients]).norm().item()
    for g in gradients:
        if g.norm() > limit:
            g.mul_(limit / g.norm())
    return norm


def train_step(model, optimizer, tokens, targets, limit):
    optimizer.zero_grad()
    loss = model.loss(tokens, targets)
    loss.backward()
    norm = clip_gradients(model.parameters(), limit)
    optimizer.step()
    return loss.item(), norm


# %% wrong train_step: clips each number
def clip_gradients(parameters, limit):
    gradients = [p.grad for p in parameters if p.grad is not None]
    norm = torch.stack([g.norm() for g in gradients]).norm().item()
    for g in gradients:
        g.clamp_(-limit, limit)
    return norm


def train_step(model, optimizer, tokens, targets, limit):
    optimizer.zero_grad()
    loss = model.loss(tokens, targets)
    loss.backward()
    norm = clip_gradients(model.parameters(), limit)
    optimizer.step()
    return loss.item(), norm


# %% wrong train_step: scales short gradients up to the limit
def clip_gradients(parameters, limit):
    gradients = [p.grad for p in parameters if p.grad is not None]
    norm = torch.stack([g.norm() for g in gradients]).norm().item()
    if norm > 0:
        for g in gradients:
            g.mul_(limit / norm)
    return norm


def train_step(model, optimizer, tokens, targets, limit):
    optimizer.zero_grad()
    loss = model.loss(tokens, targets)
    loss.backward()
    norm = clip_gradients(model.parameters(), limit)
    optimizer.step()
    return loss.item(), norm


# %% wrong train_step: the sum of the lengths instead of the common length
def clip_gradients(parameters, limit):
    gradients = [p.grad for p in parameters if p.grad is not None]
    norm = sum(g.norm().item() for g in gradients)
    if norm > limit:
        for g in gradients:
            g.mul_(limit / norm)
    return norm


def train_step(model, optimizer, tokens, targets, limit):
    optimizer.zero_grad()
    loss = model.loss(tokens, targets)
    loss.backward()
    norm = clip_gradients(model.parameters(), limit)
    optimizer.step()
    return loss.item(), norm


# %% wrong train_step: the square of the length
def clip_gradients(parameters, limit):
    gradients = [p.grad for p in parameters if p.grad is not None]
    norm = sum(g.square().sum().item() for g in gradients)
    if norm > limit:
        for g in gradients:
            g.mul_(limit / norm)
    return norm


def train_step(model, optimizer, tokens, targets, limit):
    optimizer.zero_grad()
    loss = model.loss(tokens, targets)
    loss.backward()
    norm = clip_gradients(model.parameters(), limit)
    optimizer.step()
    return loss.item(), norm


# %% wrong train_step: returns the length after clipping
def clip_gradients(parameters, limit):
    gradients = [p.grad for p in parameters if p.grad is not None]
    norm = torch.stack([g.norm() for g in gradients]).norm().item()
    if norm > limit:
        for g in gradients:
            g.mul_(limit / norm)
    return torch.stack([g.norm() for g in gradients]).norm().item()


def train_step(model, optimizer, tokens, targets, limit):
    optimizer.zero_grad()
    loss = model.loss(tokens, targets)
    loss.backward()
    norm = clip_gradients(model.parameters(), limit)
    optimizer.step()
    return loss.item(), norm


# %% wrong train_step: divides by 0 where all gradients are 0
def clip_gradients(parameters, limit):
    gradients = [p.grad for p in parameters if p.grad is not None]
    norm = torch.stack([g.norm() for g in gradients]).norm().item()
    factor = min(1.0, limit / torch.tensor(norm).item()) if norm > 0 else float('nan')
    for g in gradients:
        g.mul_(factor)
    return norm


def train_step(model, optimizer, tokens, targets, limit):
    optimizer.zero_grad()
    loss = model.loss(tokens, targets)
    loss.backward()
    norm = clip_gradients(model.parameters(), limit)
    optimizer.step()
    return loss.item(), norm


# %% wrong train_step: reads a generator twice, so that nothing is clipped
def clip_gradients(parameters, limit):
    norm = math.sqrt(sum(p.grad.square().sum().item() for p in parameters if p.grad is not None))
    for p in parameters:
        if p.grad is not None and norm > limit:
            p.grad.mul_(limit / norm)
    return norm


def train_step(model, optimizer, tokens, targets, limit):
    optimizer.zero_grad()
    loss = model.loss(tokens, targets)
    loss.backward()
    norm = clip_gradients(list(model.parameters()), limit)
    optimizer.step()
    return loss.item(), norm


# %% wrong train_step: old gradients are never cleared
def clip_gradients(parameters, limit):
    gradients = [p.grad for p in parameters if p.grad is not None]
    norm = torch.stack([g.norm() for g in gradients]).norm().item()
    if norm > limit:
        for g in gradients:
            g.mul_(limit / norm)
    return norm


def train_step(model, optimizer, tokens, targets, limit):
    loss = model.loss(tokens, targets)
    loss.backward()
    norm = clip_gradients(model.parameters(), limit)
    optimizer.step()
    return loss.item(), norm


# %% wrong train_step: clears the new gradients instead of the old ones
def clip_gradients(parameters, limit):
    gradients = [p.grad for p in parameters if p.grad is not None]
    norm = torch.stack([g.norm() for g in gradients]).norm().item()
    if norm > limit:
        for g in gradients:
            g.mul_(limit / norm)
    return norm


def train_step(model, optimizer, tokens, targets, limit):
    loss = model.loss(tokens, targets)
    loss.backward()
    norm = clip_gradients(model.parameters(), limit)
    optimizer.zero_grad()
    optimizer.step()
    return loss.item(), norm


# %% wrong train_step: clips after the step
def clip_gradients(parameters, limit):
    gradients = [p.grad for p in parameters if p.grad is not None]
    norm = torch.stack([g.norm() for g in gradients]).norm().item()
    if norm > limit:
        for g in gradients:
            g.mul_(limit / norm)
    return norm


def train_step(model, optimizer, tokens, targets, limit):
    optimizer.zero_grad()
    loss = model.loss(tokens, targets)
    loss.backward()
    optimizer.step()
    norm = clip_gradients(model.parameters(), limit)
    return loss.item(), norm


# %% wrong train_step: always clips at 1
def clip_gradients(parameters, limit):
    gradients = [p.grad for p in parameters if p.grad is not None]
    norm = torch.stack([g.norm() for g in gradients]).norm().item()
    if norm > limit:
        for g in gradients:
            g.mul_(limit / norm)
    return norm


def train_step(model, optimizer, tokens, targets, limit):
    optimizer.zero_grad()
    loss = model.loss(tokens, targets)
    loss.backward()
    norm = clip_gradients(model.parameters(), 1.0)
    optimizer.step()
    return loss.item(), norm


# %% wrong train_step: returns the loss after the update
def clip_gradients(parameters, limit):
    gradients = [p.grad for p in parameters if p.grad is not None]
    norm = torch.stack([g.norm() for g in gradients]).norm().item()
    if norm > limit:
        for g in gradients:
            g.mul_(limit / norm)
    return norm


def train_step(model, optimizer, tokens, targets, limit):
    optimizer.zero_grad()
    loss = model.loss(tokens, targets)
    loss.backward()
    norm = clip_gradients(model.parameters(), limit)
    optimizer.step()
    return model.loss(tokens, targets).item(), norm


# %% wrong train_step: returns the loss with its graph
def clip_gradients(parameters, limit):
    gradients = [p.grad for p in parameters if p.grad is not None]
    norm = torch.stack([g.norm() for g in gradients]).norm().item()
    if norm > limit:
        for g in gradients:
            g.mul_(limit / norm)
    return norm


def train_step(model, optimizer, tokens, targets, limit):
    optimizer.zero_grad()
    loss = model.loss(tokens, targets)
    loss.backward()
    norm = clip_gradients(model.parameters(), limit)
    optimizer.step()
    return loss, norm


# %% right train_step: one long vector, a factor as PyTorch computes it, gradients cleared at the end
def clip_gradients(parameters, limit):
    gradients = [p.grad for p in parameters if p.grad is not None]
    norm = torch.cat([g.flatten() for g in gradients]).norm().item()
    factor = min(1.0, limit / (norm + 1e-6))
    for g in gradients:
        g *= factor
    return norm


def train_step(model, optimizer, tokens, targets, limit):
    model.zero_grad()
    loss = model.loss(tokens, targets)
    loss.backward()
    norm = clip_gradients(model.parameters(), limit)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return loss.item(), norm


# %% right train_step: new tensors in place of the old gradients
def clip_gradients(parameters, limit):
    with_gradient = [p for p in parameters if p.grad is not None]
    length = float(sum((p.grad.detach() ** 2).sum() for p in with_gradient)) ** 0.5
    if length > limit:
        for p in with_gradient:
            p.grad = p.grad / length * limit
    return length


def train_step(model, optimizer, tokens, targets, limit):
    loss = model.loss(tokens, targets)
    optimizer.zero_grad(set_to_none=False)
    loss.backward()
    length = clip_gradients((p for p in model.parameters()), limit)
    optimizer.step()
    return loss.detach().item(), length


# %% wrong flops: multiplications without additions
def matmul_flops(config, length):
    D, T, L = config.width, length, config.layers
    return {"projections": L * 4 * T * D * D, "feed_forward": L * 8 * T * D * D, "attention": L * 2 * T * T * D, "unembedding": T * D * config.vocabulary}


def crossover(width):
    return 6 * width


# %% wrong flops: one product of attention instead of two
def matmul_flops(config, length):
    D, T, L = config.width, length, config.layers
    return {"projections": L * 8 * T * D * D, "feed_forward": L * 16 * T * D * D, "attention": L * 2 * T * T * D, "unembedding": 2 * T * D * config.vocabulary}


def crossover(width):
    return 12 * width


# %% wrong flops: attention counted at full width for every head
def matmul_flops(config, length):
    D, T, L = config.width, length, config.layers
    return {"projections": L * 8 * T * D * D, "feed_forward": L * 16 * T * D * D, "attention": L * config.heads * 4 * T * T * D, "unembedding": 2 * T * D * config.vocabulary}


def crossover(width):
    return 6 * width


# %% wrong flops: one head only
def matmul_flops(config, length):
    D, T, L = config.width, length, config.layers
    return {"projections": L * 8 * T * D * D, "feed_forward": L * 16 * T * D * D, "attention": L * 4 * T * T * (D // config.heads), "unembedding": 2 * T * D * config.vocabulary}


def crossover(width):
    return 6 * width


# %% wrong flops: the masked half is left out
def matmul_flops(config, length):
    D, T, L = config.width, length, config.layers
    return {"projections": L * 8 * T * D * D, "feed_forward": L * 16 * T * D * D, "attention": L * 2 * T * (T + 1) * D, "unembedding": 2 * T * D * config.vocabulary}


def crossover(width):
    return 6 * width


# %% wrong flops: forgets the layers
def matmul_flops(config, length):
    D, T, L = config.width, length, config.layers
    return {"projections": 8 * T * D * D, "feed_forward": 16 * T * D * D, "attention": 4 * T * T * D, "unembedding": 2 * T * D * config.vocabulary}


def crossover(width):
    return 6 * width


# %% wrong flops: the unembedding in every layer
def matmul_flops(config, length):
    D, T, L = config.width, length, config.layers
    return {"projections": L * 8 * T * D * D, "feed_forward": L * 16 * T * D * D, "attention": L * 4 * T * T * D, "unembedding": L * 2 * T * D * config.vocabulary}


def crossover(width):
    return 6 * width


# %% wrong flops: one of the two feed-forward layers
def matmul_flops(config, length):
    D, T, L = config.width, length, config.layers
    return {"projections": L * 8 * T * D * D, "feed_forward": L * 8 * T * D * D, "attention": L * 4 * T * T * D, "unembedding": 2 * T * D * config.vocabulary}


def crossover(width):
    return 6 * width


# %% wrong flops: the block size instead of the length
def matmul_flops(config, length):
    D, T, L = config.width, length, config.layers
    return {"projections": L * 8 * (T if L == 1 else config.block_size) * D * D, "feed_forward": L * 16 * T * D * D, "attention": L * 4 * T * T * D, "unembedding": 2 * T * D * config.vocabulary}


def crossover(width):
    return 6 * width


# %% wrong flops: attention meets the feed-forward net alone
def matmul_flops(config, length):
    D, T, L = config.width, length, config.layers
    return {"projections": L * 8 * T * D * D, "feed_forward": L * 16 * T * D * D, "attention": L * 4 * T * T * D, "unembedding": 2 * T * D * config.vocabulary}


def crossover(width):
    return 4 * width


# %% wrong flops: attention meets the projections alone
def matmul_flops(config, length):
    D, T, L = config.width, length, config.layers
    return {"projections": L * 8 * T * D * D, "feed_forward": L * 16 * T * D * D, "attention": L * 4 * T * T * D, "unembedding": 2 * T * D * config.vocabulary}


def crossover(width):
    return 2 * width


# %% wrong flops: a crossover that does not depend on the width
def matmul_flops(config, length):
    D, T, L = config.width, length, config.layers
    return {"projections": L * 8 * T * D * D, "feed_forward": L * 16 * T * D * D, "attention": L * 4 * T * T * D, "unembedding": 2 * T * D * config.vocabulary}


def crossover(width):
    return 512


# %% right flops: summed product by product
def matmul_flops(config, length):
    def product(a, b, c):
        return 2 * a * b * c

    D, d = config.width, config.width // config.heads
    found = dict.fromkeys(("projections", "feed_forward", "attention", "unembedding"), 0)
    for _ in range(config.layers):
        found["projections"] += product(length, D, 3 * D) + product(length, D, D)
        found["feed_forward"] += product(length, D, 4 * D) + product(length, 4 * D, D)
        for _ in range(config.heads):
            found["attention"] += product(length, d, length) + product(length, length, d)
    found["unembedding"] = product(length, D, config.vocabulary)
    return found


def crossover(width):
    flops = matmul_flops(GPTConfig(1, 1, 1, 1, width), 1)
    return (flops["projections"] + flops["feed_forward"]) / flops["attention"]


# %% right flops: from the numbers of weights
def matmul_flops(config, length):
    D = config.width
    weights = {"projections": 4 * D**2 * config.layers, "feed_forward": 8 * D**2 * config.layers, "unembedding": D * config.vocabulary}
    found = {part: 2 * length * count for part, count in weights.items()}
    found["attention"] = 4 * D * length**2 * config.layers
    return found


def crossover(width):
    return torch.tensor(24.0 * width**2 / (4 * width)).item()


# %% wrong fused: the kernel drops in eval mode too
class FusedSelfAttention(CausalSelfAttention):
    def forward(self, x):
        query, key, value = self.project(x)
        self.weights = None
        mixed = F.scaled_dot_product_attention(query, key, value, dropout_p=self.dropout, is_causal=True)
        mixed = self.to_out(mixed.transpose(1, 2).flatten(2))
        return F.dropout(mixed, self.dropout, self.training)


# %% wrong fused: not causal
class FusedSelfAttention(CausalSelfAttention):
    def forward(self, x):
        query, key, value = self.project(x)
        self.weights = None
        mixed = F.scaled_dot_product_attention(query, key, value, dropout_p=self.dropout if self.training else 0.0)
        mixed = self.to_out(mixed.transpose(1, 2).flatten(2))
        return F.dropout(mixed, self.dropout, self.training)


# %% wrong fused: scales twice
class FusedSelfAttention(CausalSelfAttention):
    def forward(self, x):
        query, key, value = self.project(x)
        self.weights = None
        mixed = F.scaled_dot_product_attention(query / math.sqrt(query.shape[-1]), key, value, dropout_p=self.dropout if self.training else 0.0, is_causal=True)
        mixed = self.to_out(mixed.transpose(1, 2).flatten(2))
        return F.dropout(mixed, self.dropout, self.training)


# %% wrong fused: a mask that is True where it should hide
class FusedSelfAttention(CausalSelfAttention):
    def forward(self, x):
        query, key, value = self.project(x)
        self.weights = None
        hide = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).triu(1)
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=hide).nan_to_num(0.0)
        mixed = self.to_out(mixed.transpose(1, 2).flatten(2))
        return F.dropout(mixed, self.dropout, self.training)


# %% wrong fused: no dropout on the weights
class FusedSelfAttention(CausalSelfAttention):
    def forward(self, x):
        query, key, value = self.project(x)
        self.weights = None
        mixed = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        mixed = self.to_out(mixed.transpose(1, 2).flatten(2))
        return F.dropout(mixed, self.dropout, self.training)


# %% wrong fused: no dropout on the result
class FusedSelfAttention(CausalSelfAttention):
    def forward(self, x):
        query, key, value = self.project(x)
        self.weights = None
        mixed = F.scaled_dot_product_attention(query, key, value, dropout_p=self.dropout if self.training else 0.0, is_causal=True)
        mixed = self.to_out(mixed.transpose(1, 2).flatten(2))
        return mixed


# %% wrong fused: the result is dropped in eval mode too
class FusedSelfAttention(CausalSelfAttention):
    def forward(self, x):
        query, key, value = self.project(x)
        self.weights = None
        mixed = F.scaled_dot_product_attention(query, key, value, dropout_p=self.dropout if self.training else 0.0, is_causal=True)
        mixed = self.to_out(mixed.transpose(1, 2).flatten(2))
        return F.dropout(mixed, self.dropout)


# %% wrong fused: merging forgets the transpose
class FusedSelfAttention(CausalSelfAttention):
    def forward(self, x):
        query, key, value = self.project(x)
        self.weights = None
        mixed = F.scaled_dot_product_attention(query, key, value, dropout_p=self.dropout if self.training else 0.0, is_causal=True)
        mixed = self.to_out(mixed.reshape(x.shape))
        return F.dropout(mixed, self.dropout, self.training)


# %% wrong fused: queries and keys exchanged
class FusedSelfAttention(CausalSelfAttention):
    def forward(self, x):
        query, key, value = self.project(x)
        self.weights = None
        mixed = F.scaled_dot_product_attention(key, query, value, dropout_p=self.dropout if self.training else 0.0, is_causal=True)
        mixed = self.to_out(mixed.transpose(1, 2).flatten(2))
        return F.dropout(mixed, self.dropout, self.training)


# %% wrong fused: the plain code again
class FusedSelfAttention(CausalSelfAttention):
    def forward(self, x):
        output = super().forward(x)
        self.weights = None
        return output


# %% wrong fused: leaves the weights of an earlier call
class FusedSelfAttention(CausalSelfAttention):
    def forward(self, x):
        query, key, value = self.project(x)
        dropout = self.dropout if self.training else 0.0
        mixed = F.scaled_dot_product_attention(query, key, value, dropout_p=dropout, is_causal=True)
        return F.dropout(self.to_out(mixed.transpose(1, 2).flatten(2)), self.dropout, self.training)


# %% right fused: an explicit mask, a module for dropout
class FusedSelfAttention(CausalSelfAttention):
    def forward(self, x):
        B, T, D = x.shape
        look = torch.ones(T, T, dtype=torch.bool, device=x.device).tril()
        p = self.dropout * self.training
        mixed = nn.functional.scaled_dot_product_attention(*self.project(x), attn_mask=look, dropout_p=p)
        self.weights = None
        result = self.to_out(mixed.permute(0, 2, 1, 3).reshape(B, T, D))
        return nn.Dropout(self.dropout).train(self.training)(result)


# %% right fused: its own projection, keyword arguments
class FusedSelfAttention(CausalSelfAttention):
    def forward(self, x):
        parts = self.to_qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        options = dict(is_causal=True, scale=parts.shape[-1] ** -0.5)
        if self.training:
            options["dropout_p"] = self.dropout
        mixed = torch.nn.functional.scaled_dot_product_attention(query=parts[0], key=parts[1], value=parts[2], **options)
        self.weights = None
        out = self.to_out(torch.cat(mixed.unbind(1), dim=-1))
        return F.dropout(out, p=self.dropout, training=self.training)


# %% wrong initialise: seeds the generator itself, so that every model begins with the same weights
def initialise(model, layers):
    torch.manual_seed(0)
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(parameter)
        elif "norm" not in name:
            nn.init.normal_(parameter, std=0.02 / (math.sqrt(2 * layers) if "to_out" in name else 1))


# %% wrong train_step: leaves the model in evaluation mode
def clip_gradients(parameters, limit):
    gradients = [p.grad for p in parameters if p.grad is not None]
    norm = math.sqrt(sum(g.square().sum().item() for g in gradients))
    for g in gradients:
        g.mul_(min(1.0, limit / max(norm, 1e-12)))
    return norm


def train_step(model, optimizer, tokens, targets, limit):
    model.eval()
    optimizer.zero_grad()
    loss = model.loss(tokens, targets)
    loss.backward()
    norm = clip_gradients(model.parameters(), limit)
    optimizer.step()
    return loss.item(), norm


# %% wrong train_step: clips only the gradients that the optimiser's first group has
def clip_gradients(parameters, limit):
    gradients = [p.grad for p in parameters if p.grad is not None]
    norm = math.sqrt(sum(g.square().sum().item() for g in gradients))
    if norm > limit:
        for g in gradients:
            g.mul_(limit / norm)
    return norm


def train_step(model, optimizer, tokens, targets, limit):
    optimizer.zero_grad()
    loss = model.loss(tokens, targets)
    loss.backward()
    norm = clip_gradients(optimizer.param_groups[0]["params"], limit)
    optimizer.step()
    return loss.item(), norm


# %% right train_step: PyTorch's own clipping of a list
def clip_gradients(parameters, limit):
    return torch.nn.utils.clip_grad_norm_(list(parameters), limit).item()


def train_step(model, optimizer, tokens, targets, limit):
    loss = model.loss(tokens, targets)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    norm = clip_gradients(model.parameters(), limit)
    optimizer.step()
    return loss.item(), norm


# %% right causal_self_attention: the mask as a comparison of positions, scores by einsum, softmax by hand
class CausalSelfAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.heads, self.dropout = config.heads, config.dropout
        self.to_qkv = nn.Linear(config.width, 3 * config.width)
        self.to_out = nn.Linear(config.width, config.width)
        self.weights = None

    def project(self, x):
        B, T, D = x.shape
        q, k, v = self.to_qkv(x).view(B, T, 3, self.heads, D // self.heads).permute(2, 0, 3, 1, 4)
        return q, k, v

    def forward(self, x):
        q, k, v = self.project(x)
        place = torch.arange(x.shape[1], device=x.device)
        scores = torch.einsum("bhqd,bhkd->bhqk", q, k) * q.shape[-1] ** -0.5
        scores = torch.where(place[None, :] <= place[:, None], scores, torch.tensor(float("-inf"), dtype=x.dtype))
        weights = (scores - scores.amax(-1, keepdim=True)).exp()
        weights = weights / weights.sum(-1, keepdim=True)
        self.weights = weights.detach()
        weights = nn.functional.dropout(weights, p=self.dropout, training=self.training)
        out = torch.einsum("bhqk,bhkd->bqhd", weights, v).flatten(2)
        return nn.functional.dropout(self.to_out(out), p=self.dropout, training=self.training)


# %% right train_step: the optimiser clears, keeping zeros, and the norms are summed as squares
def clip_gradients(parameters, limit):
    gradients = [p.grad for p in parameters if p.grad is not None]
    length = math.sqrt(sum(g.double().square().sum().item() for g in gradients))
    for g in gradients if length > limit else ():
        g *= limit / length
    return length


def train_step(model, optimizer, tokens, targets, limit):
    for parameter in model.parameters():
        if parameter.grad is not None:
            parameter.grad.zero_()
    loss = model.loss(tokens, targets)
    loss.backward()
    length = clip_gradients(model.parameters(), limit)
    optimizer.step()
    return loss.detach().item(), length


# %% wrong gpt: the loss lays out the logits with their axes exchanged
class GPT(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.tokens = nn.Embedding(config.vocabulary, config.width)
        self.positions = nn.Embedding(config.block_size, config.width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)
        self.initialise()

    def initialise(self):
        initialise(self, self.config.layers)

    def embed(self, tokens, start=0):
        end = start + tokens.shape[1]
        if end > self.config.block_size:
            raise ValueError(f"{end} tokens, but the block size is {self.config.block_size}")
        places = torch.arange(start, end, device=tokens.device)
        return F.dropout(self.tokens(tokens) + self.positions(places), self.config.dropout, self.training)

    def unembed(self, x):
        return F.linear(self.norm(x), self.tokens.weight)

    def forward(self, tokens):
        x = self.embed(tokens)
        for block in self.blocks:
            x = block(x)
        return self.unembed(x)

    def loss(self, tokens, targets):
        logits = self(tokens)
        return F.cross_entropy(logits.transpose(1, 2).reshape(-1, logits.shape[-1]), targets.flatten())
