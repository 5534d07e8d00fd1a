# Answers to week 6 that its graders must tell apart. Each cell replaces the student's cell of that name.

# %% wrong scaled_dot_product_attention: the softmax runs over the queries
def scaled_dot_product_attention(query, key, value, mask=None):
    scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    weights = scores.softmax(dim=-2)
    if mask is not None:
        weights = weights.masked_fill(~mask, 0)
    return weights @ value, weights


# %% wrong scaled_dot_product_attention: masks after the softmax and does not normalise again
def scaled_dot_product_attention(query, key, value, mask=None):
    weights = (query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])).softmax(dim=-1)
    if mask is not None:
        weights = weights * mask
    return weights @ value, weights


# %% wrong scaled_dot_product_attention: no scale
def scaled_dot_product_attention(query, key, value, mask=None):
    scores = query @ key.transpose(-2, -1)
    if mask is not None:
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    weights = scores.softmax(dim=-1)
    if mask is not None:
        weights = weights.masked_fill(~mask, 0)
    return weights @ value, weights


# %% wrong scaled_dot_product_attention: divides by d instead of its square root
def scaled_dot_product_attention(query, key, value, mask=None):
    scores = query @ key.transpose(-2, -1) / query.shape[-1]
    if mask is not None:
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    weights = scores.softmax(dim=-1)
    if mask is not None:
        weights = weights.masked_fill(~mask, 0)
    return weights @ value, weights


# %% wrong scaled_dot_product_attention: a fixed scale of 2, as the small example has
def scaled_dot_product_attention(query, key, value, mask=None):
    scores = query @ key.transpose(-2, -1) / 2
    if mask is not None:
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    weights = scores.softmax(dim=-1)
    if mask is not None:
        weights = weights.masked_fill(~mask, 0)
    return weights @ value, weights


# %% wrong scaled_dot_product_attention: fills with -1e9, which float16 cannot hold
def scaled_dot_product_attention(query, key, value, mask=None):
    scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, -1e9)
    weights = scores.softmax(dim=-1)
    if mask is not None:
        weights = weights.masked_fill(~mask, 0)
    return weights @ value, weights


# %% wrong scaled_dot_product_attention: fills with -1e4, which large scores can be below
def scaled_dot_product_attention(query, key, value, mask=None):
    scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, -1e4)
    weights = scores.softmax(dim=-1)
    if mask is not None:
        weights = weights.masked_fill(~mask, 0)
    return weights @ value, weights


# %% wrong scaled_dot_product_attention: adds minus infinity and repairs the NaN afterwards; the gradient stays NaN
def scaled_dot_product_attention(query, key, value, mask=None):
    scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
    if mask is not None:
        scores = scores + torch.zeros(mask.shape, dtype=scores.dtype).masked_fill(~mask, -math.inf)
    weights = scores.softmax(dim=-1).nan_to_num(0.0)
    return weights @ value, weights


# %% wrong scaled_dot_product_attention: an empty row looks everywhere
def scaled_dot_product_attention(query, key, value, mask=None):
    scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    weights = scores.softmax(dim=-1)
    return weights @ value, weights


# %% wrong scaled_dot_product_attention: computes in float32 and stays there
def scaled_dot_product_attention(query, key, value, mask=None):
    query, key, value = (t.float() if t.dtype == torch.float16 else t for t in (query, key, value))
    scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    weights = scores.softmax(dim=-1)
    if mask is not None:
        weights = weights.masked_fill(~mask, 0)
    return weights @ value, weights


# %% wrong scaled_dot_product_attention: scales the caller's query in place
def scaled_dot_product_attention(query, key, value, mask=None):
    with torch.no_grad():
        query /= math.sqrt(query.shape[-1])
    scores = query @ key.transpose(-2, -1)
    if mask is not None:
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    weights = scores.softmax(dim=-1)
    if mask is not None:
        weights = weights.masked_fill(~mask, 0)
    return weights @ value, weights


# %% wrong scaled_dot_product_attention: a mask without a single True is taken for no mask
def scaled_dot_product_attention(query, key, value, mask=None):
    scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
    if mask is not None and not mask.any():
        mask = None
    if mask is not None:
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    weights = scores.softmax(dim=-1)
    if mask is not None:
        weights = weights.masked_fill(~mask, 0)
    return weights @ value, weights


# %% wrong scaled_dot_product_attention: wants a mask with one column a key, which (T, 1) has not
def scaled_dot_product_attention(query, key, value, mask=None):
    scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
    if mask is not None:
        if mask.shape[-1] != key.shape[-2]:
            raise ValueError(f"a mask of {tuple(mask.shape)} for {key.shape[-2]} keys")
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    weights = scores.softmax(dim=-1)
    if mask is not None:
        weights = weights.masked_fill(~mask, 0)
    return weights @ value, weights


# %% wrong scaled_dot_product_attention: wants a mask of at least two axes
def scaled_dot_product_attention(query, key, value, mask=None):
    scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
    if mask is not None:
        T, S = mask.shape[-2], mask.shape[-1]
        mask = mask.reshape(*mask.shape[:-2], T, S)
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    weights = scores.softmax(dim=-1)
    if mask is not None:
        weights = weights.masked_fill(~mask, 0)
    return weights @ value, weights


# %% wrong scaled_dot_product_attention: a mask of three axes is taken for one a sentence, where it is one a head
def scaled_dot_product_attention(query, key, value, mask=None):
    scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
    if mask is not None:
        if mask.dim() == 3 and scores.dim() == 4:
            mask = mask[:, None]
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    weights = scores.softmax(dim=-1)
    if mask is not None:
        weights = weights.masked_fill(~mask, 0)
    return weights @ value, weights


# %% right scaled_dot_product_attention: exponentials by hand, the largest allowed score taken off
def scaled_dot_product_attention(query, key, value, mask=None):
    scores = query.matmul(key.mT) * query.shape[-1] ** -0.5
    allowed = torch.ones_like(scores, dtype=torch.bool) if mask is None else mask.expand(scores.shape)
    lowest = torch.finfo(scores.dtype).min
    top = torch.where(allowed, scores, lowest).amax(dim=-1, keepdim=True).detach()
    raised = torch.where(allowed, scores - top, lowest).exp() * allowed
    weights = raised / raised.sum(dim=-1, keepdim=True).clamp(min=0.5)
    return weights.matmul(value), weights


# %% right scaled_dot_product_attention: minus infinity, with empty rows opened first and closed afterwards
def scaled_dot_product_attention(query, key, value, mask=None):
    scale = 1 / math.sqrt(query.size(-1))
    scores = torch.einsum("...qd,...kd->...qk", query * scale, key)
    if mask is None:
        weights = torch.softmax(scores, -1)
    else:
        full = mask.broadcast_to(scores.shape)
        empty = ~full.any(-1, keepdim=True)
        weights = torch.softmax(scores.masked_fill(~(full | empty), float("-inf")), -1)
        weights = torch.where(empty, torch.zeros_like(weights), weights)
    return torch.einsum("...qk,...kv->...qv", weights, value), weights


# %% right scaled_dot_product_attention: fills with minus infinity, and both fills stop the gradient of an empty row
def scaled_dot_product_attention(query, key, value, mask=None):
    scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    weights = scores.softmax(dim=-1)
    if mask is not None:
        weights = weights.masked_fill(~mask, 0)
    return weights @ value, weights


# %% right scaled_dot_product_attention: float32 inside for half precision, and a key beside all others that empty rows can look at
def scaled_dot_product_attention(query, key, value, mask=None):
    inner = torch.float32 if query.dtype in (torch.float16, torch.bfloat16) else query.dtype
    q, k, v = (tensor.to(inner) for tensor in (query, key, value))
    scores = q @ k.mT / math.sqrt(q.shape[-1])
    if mask is None:
        weights = scores.softmax(dim=-1)
    else:
        mask = mask.expand(scores.shape)
        nowhere = torch.where(mask.any(-1, keepdim=True), -math.inf, 0.0).to(inner)
        shut = torch.where(mask, scores, torch.full_like(scores, -math.inf))
        weights = torch.cat([shut, nowhere], dim=-1).softmax(dim=-1)[..., :-1]
    return (weights @ v).to(value.dtype), weights.to(query.dtype)


# %% wrong masks: the upper triangle
def causal_mask(length):
    return torch.ones(length, length, dtype=torch.bool).triu()


def padding_mask(tokens, pad=0):
    return (tokens != pad)[:, None, None, :]


# %% wrong masks: the diagonal is missing, so that token 0 sees nothing
def causal_mask(length):
    return torch.ones(length, length, dtype=torch.bool).tril(-1)


def padding_mask(tokens, pad=0):
    return (tokens != pad)[:, None, None, :]


# %% wrong masks: True means hidden
def causal_mask(length):
    return torch.ones(length, length, dtype=torch.bool).triu(1)


def padding_mask(tokens, pad=0):
    return (tokens == pad)[:, None, None, :]


# %% wrong masks: the padding token is always 0
def causal_mask(length):
    return torch.ones(length, length, dtype=torch.bool).tril()


def padding_mask(tokens, pad=0):
    return (tokens != 0)[:, None, None, :]


# %% wrong masks: padding is expected at the end only
def causal_mask(length):
    return torch.ones(length, length, dtype=torch.bool).tril()


def padding_mask(tokens, pad=0):
    lengths = (tokens != pad).sum(1)
    return (torch.arange(tokens.shape[1]) < lengths[:, None])[:, None, None, :]


# %% wrong masks: PAD is taken to be the smallest number
def causal_mask(length):
    return torch.ones(length, length, dtype=torch.bool).tril()


def padding_mask(tokens, pad=0):
    return (tokens > pad)[:, None, None, :]


# %% wrong masks: a sentence of padding only is opened, against NaN
def causal_mask(length):
    return torch.ones(length, length, dtype=torch.bool).tril()


def padding_mask(tokens, pad=0):
    real = tokens != pad
    real = real | ~real.any(dim=1, keepdim=True)
    return real[:, None, None, :]


# %% wrong masks: padding as whole numbers
def causal_mask(length):
    return torch.ones(length, length, dtype=torch.bool).tril()


def padding_mask(tokens, pad=0):
    return (tokens != pad).long()[:, None, None, :]


# %% right masks: positions compared
def causal_mask(length):
    place = torch.arange(length)
    return place[:, None] >= place[None, :]


def padding_mask(tokens, pad=0):
    return tokens.ne(pad).unsqueeze(1).unsqueeze(1)


# %% wrong heads: views instead of transposing, so that tokens are mixed
def split_heads(x, heads):
    B, T, D = x.shape
    if D % heads:
        raise ValueError(f"{D} features for {heads} heads")
    return x.view(B, heads, T, D // heads)


def merge_heads(x):
    B, h, T, d = x.shape
    return x.reshape(B, T, h * d)


# %% wrong heads: deals features out like cards
def split_heads(x, heads):
    B, T, D = x.shape
    if D % heads:
        raise ValueError(f"{D} features for {heads} heads")
    return x.view(B, T, D // heads, heads).permute(0, 3, 1, 2)


def merge_heads(x):
    return x.permute(0, 2, 3, 1).flatten(2)


# %% wrong heads: merging forgets the transpose
def split_heads(x, heads):
    B, T, D = x.shape
    if D % heads:
        raise ValueError(f"{D} features for {heads} heads")
    return x.view(B, T, heads, D // heads).transpose(1, 2)


def merge_heads(x):
    B, h, T, d = x.shape
    return x.reshape(B, T, h * d)


# %% wrong heads: drops features that do not fit
def split_heads(x, heads):
    B, T, D = x.shape
    d = D // heads
    return x[..., : d * heads].reshape(B, T, heads, d).transpose(1, 2)


def merge_heads(x):
    return x.transpose(1, 2).flatten(2)


# %% wrong heads: mixes the sentences of a batch
def split_heads(x, heads):
    B, T, D = x.shape
    if D % heads:
        raise ValueError(f"{D} features for {heads} heads")
    return torch.stack(x.split(D // heads, dim=-1)).reshape(B, heads, T, D // heads)


def merge_heads(x):
    B, h, T, d = x.shape
    return torch.cat(x.reshape(h, B, T, d).unbind(0), dim=-1)


# %% wrong heads: the error names the shape and not the number of heads
def split_heads(x, heads):
    if x.shape[-1] % heads:
        raise ValueError(f"cannot split x of shape {tuple(x.shape)}")
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def merge_heads(x):
    return x.transpose(1, 2).flatten(2)


# %% wrong heads: more heads than features are not noticed
def split_heads(x, heads):
    if heads < x.shape[-1] and x.shape[-1] % heads:
        raise ValueError(f"{x.shape[-1]} features for {heads} heads")
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def merge_heads(x):
    return x.transpose(1, 2).flatten(2)


# %% wrong heads: merges into an empty tensor of the default dtype
def split_heads(x, heads):
    if x.shape[-1] % heads:
        raise ValueError(f"{x.shape[-1]} features for {heads} heads")
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def merge_heads(x):
    B, h, T, d = x.shape
    merged = torch.empty(B, T, h * d)
    for i in range(h):
        merged[..., i * d : (i + 1) * d] = x[:, i]
    return merged


# %% wrong heads: merging cuts the gradient
def split_heads(x, heads):
    if x.shape[-1] % heads:
        raise ValueError(f"{x.shape[-1]} features for {heads} heads")
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def merge_heads(x):
    return torch.tensor(x.detach().numpy().swapaxes(1, 2).reshape(x.shape[0], x.shape[2], -1))


# %% right heads: slices, stacked
def split_heads(x, heads):
    d, rest = divmod(x.shape[-1], heads)
    if rest:
        raise ValueError(f"cannot give {heads} heads equal parts of {x.shape[-1]} features")
    return torch.stack([x[..., i * d : (i + 1) * d] for i in range(heads)], dim=1)


def merge_heads(x):
    return torch.cat(list(x.unbind(dim=1)), dim=-1)


# %% wrong multi_head_attention: keys and values always come from x
class MultiHeadAttention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.to_query, self.to_key, self.to_value, self.to_out = (nn.Linear(width, width) for _ in range(4))
        self.attend = scaled_dot_product_attention
        self.weights = None

    def forward(self, x, memory=None, mask=None):
        q, k, v = (split_heads(m(x), self.heads) for m in (self.to_query, self.to_key, self.to_value))
        if memory is not None and memory.shape[1] != x.shape[1]:
            k, v = (split_heads(m(x.mean(1, keepdim=True).expand_as(memory)), self.heads) for m in (self.to_key, self.to_value))
        out, self.weights = self.attend(q, k, v, mask)
        return self.to_out(merge_heads(out))


# %% wrong multi_head_attention: keys from the memory and values from its keys
class MultiHeadAttention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.to_query, self.to_key, self.to_value, self.to_out = (nn.Linear(width, width) for _ in range(4))
        self.attend = scaled_dot_product_attention
        self.weights = None

    def forward(self, x, memory=None, mask=None):
        memory = x if memory is None else memory
        q, k = split_heads(self.to_query(x), self.heads), split_heads(self.to_key(memory), self.heads)
        out, self.weights = self.attend(q, k, k, mask)
        return self.to_out(merge_heads(out))


# %% wrong multi_head_attention: forgets the last map
class MultiHeadAttention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.to_query, self.to_key, self.to_value, self.to_out = (nn.Linear(width, width) for _ in range(4))
        self.attend = scaled_dot_product_attention
        self.weights = None

    def forward(self, x, memory=None, mask=None):
        memory = x if memory is None else memory
        q = split_heads(self.to_query(x), self.heads)
        k, v = (split_heads(m(memory), self.heads) for m in (self.to_key, self.to_value))
        out, self.weights = self.attend(q, k, v, mask)
        return merge_heads(out)


# %% wrong multi_head_attention: forgets the mask
class MultiHeadAttention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.to_query, self.to_key, self.to_value, self.to_out = (nn.Linear(width, width) for _ in range(4))
        self.attend = scaled_dot_product_attention
        self.weights = None

    def forward(self, x, memory=None, mask=None):
        memory = x if memory is None else memory
        q = split_heads(self.to_query(x), self.heads)
        k, v = (split_heads(m(memory), self.heads) for m in (self.to_key, self.to_value))
        out, self.weights = self.attend(q, k, v, None)
        return self.to_out(merge_heads(out))


# %% wrong multi_head_attention: one head of the whole width, scaled by the model's width
class MultiHeadAttention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.to_query, self.to_key, self.to_value, self.to_out = (nn.Linear(width, width) for _ in range(4))
        self.attend = scaled_dot_product_attention
        self.weights = None

    def forward(self, x, memory=None, mask=None):
        memory = x if memory is None else memory
        q, k, v = (m(y)[:, None] for m, y in ((self.to_query, x), (self.to_key, memory), (self.to_value, memory)))
        out, weights = self.attend(q, k, v, mask)
        self.weights = None if weights is None else weights.expand(-1, self.heads, -1, -1)
        return self.to_out(out[:, 0])


# %% wrong multi_head_attention: splits by a view, which mixes tokens
class MultiHeadAttention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.to_query, self.to_key, self.to_value, self.to_out = (nn.Linear(width, width) for _ in range(4))
        self.attend = scaled_dot_product_attention
        self.weights = None

    def forward(self, x, memory=None, mask=None):
        memory = x if memory is None else memory
        B, T, D = x.shape
        q = self.to_query(x).view(B, self.heads, T, -1)
        k, v = (m(memory).view(B, self.heads, memory.shape[1], -1) for m in (self.to_key, self.to_value))
        out, self.weights = self.attend(q, k, v, mask)
        return self.to_out(out.reshape(B, T, D))


# %% wrong multi_head_attention: calls PyTorch's kernel for the output and never self.attend for it
class MultiHeadAttention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.to_query, self.to_key, self.to_value, self.to_out = (nn.Linear(width, width) for _ in range(4))
        self.attend = scaled_dot_product_attention
        self.weights = None

    def forward(self, x, memory=None, mask=None):
        memory = x if memory is None else memory
        q = split_heads(self.to_query(x), self.heads)
        k, v = (split_heads(m(memory), self.heads) for m in (self.to_key, self.to_value))
        _, self.weights = scaled_dot_product_attention(q, k, v, mask)
        return self.to_out(merge_heads(F.scaled_dot_product_attention(q, k, v, attn_mask=mask)))


# %% wrong multi_head_attention: keeps the weights of an earlier call where there are none now
class MultiHeadAttention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.to_query, self.to_key, self.to_value, self.to_out = (nn.Linear(width, width) for _ in range(4))
        self.attend = scaled_dot_product_attention
        self.weights = None

    def forward(self, x, memory=None, mask=None):
        memory = x if memory is None else memory
        q = split_heads(self.to_query(x), self.heads)
        k, v = (split_heads(m(memory), self.heads) for m in (self.to_key, self.to_value))
        out, weights = self.attend(q, k, v, mask)
        if weights is not None:
            self.weights = weights
        return self.to_out(merge_heads(out))


# %% wrong multi_head_attention: the memory gets no gradient
class MultiHeadAttention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.to_query, self.to_key, self.to_value, self.to_out = (nn.Linear(width, width) for _ in range(4))
        self.attend = scaled_dot_product_attention
        self.weights = None

    def forward(self, x, memory=None, mask=None):
        memory = x if memory is None else memory.detach()
        q = split_heads(self.to_query(x), self.heads)
        k, v = (split_heads(m(memory), self.heads) for m in (self.to_key, self.to_value))
        out, self.weights = self.attend(q, k, v, mask)
        return self.to_out(merge_heads(out))


# %% right multi_head_attention: keys and values by one fused matrix, heads cut by hand
class MultiHeadAttention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.to_query, self.to_key, self.to_value, self.to_out = (nn.Linear(width, width) for _ in range(4))
        self.attend = scaled_dot_product_attention
        self.weights = None

    def forward(self, x, memory=None, mask=None):
        source = memory if memory is not None else x
        both = F.linear(
            source,
            torch.cat([self.to_key.weight, self.to_value.weight]),
            torch.cat([self.to_key.bias, self.to_value.bias]),
        )
        k, v = both.chunk(2, dim=-1)
        q, k, v = (t.reshape(*t.shape[:2], self.heads, -1).permute(0, 2, 1, 3) for t in (self.to_query(x), k, v))
        out, weights = self.attend(q, k, v, mask)
        self.weights = weights
        return self.to_out(out.permute(0, 2, 1, 3).reshape(x.shape))


# %% wrong decoder_block: normalises after the addition (post-norm)
class DecoderBlock(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.norm1, self.norm2, self.norm3 = nn.LayerNorm(width), nn.LayerNorm(width), nn.LayerNorm(width)
        self.self_attention = MultiHeadAttention(width, heads)
        self.cross_attention = MultiHeadAttention(width, heads)
        self.feed_forward = nn.Sequential(nn.Linear(width, 4 * width), nn.ReLU(), nn.Linear(4 * width, width))

    def forward(self, x, memory, mask, memory_mask):
        x = self.norm1(x + self.self_attention(x, mask=mask))
        x = self.norm2(x + self.cross_attention(x, memory, memory_mask))
        return self.norm3(x + self.feed_forward(x))


# %% wrong decoder_block: adds to the normalised copy instead of the stream
class DecoderBlock(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.norm1, self.norm2, self.norm3 = nn.LayerNorm(width), nn.LayerNorm(width), nn.LayerNorm(width)
        self.self_attention = MultiHeadAttention(width, heads)
        self.cross_attention = MultiHeadAttention(width, heads)
        self.feed_forward = nn.Sequential(nn.Linear(width, 4 * width), nn.ReLU(), nn.Linear(4 * width, width))

    def forward(self, x, memory, mask, memory_mask):
        x = self.norm1(x)
        x = x + self.self_attention(x, mask=mask)
        x = self.norm2(x)
        x = x + self.cross_attention(x, memory, memory_mask)
        x = self.norm3(x)
        return x + self.feed_forward(x)


# %% wrong decoder_block: cross-attention without its mask
class DecoderBlock(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.norm1, self.norm2, self.norm3 = nn.LayerNorm(width), nn.LayerNorm(width), nn.LayerNorm(width)
        self.self_attention = MultiHeadAttention(width, heads)
        self.cross_attention = MultiHeadAttention(width, heads)
        self.feed_forward = nn.Sequential(nn.Linear(width, 4 * width), nn.ReLU(), nn.Linear(4 * width, width))

    def forward(self, x, memory, mask, memory_mask):
        x = x + self.self_attention(self.norm1(x), mask=mask)
        x = x + self.cross_attention(self.norm2(x), memory)
        return x + self.feed_forward(self.norm3(x))


# %% wrong decoder_block: self-attention without the causal mask
class DecoderBlock(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.norm1, self.norm2, self.norm3 = nn.LayerNorm(width), nn.LayerNorm(width), nn.LayerNorm(width)
        self.self_attention = MultiHeadAttention(width, heads)
        self.cross_attention = MultiHeadAttention(width, heads)
        self.feed_forward = nn.Sequential(nn.Linear(width, 4 * width), nn.ReLU(), nn.Linear(4 * width, width))

    def forward(self, x, memory, mask, memory_mask):
        x = x + self.self_attention(self.norm1(x))
        x = x + self.cross_attention(self.norm2(x), memory, memory_mask)
        return x + self.feed_forward(self.norm3(x))


# %% wrong decoder_block: normalises the memory too
class DecoderBlock(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.norm1, self.norm2, self.norm3 = nn.LayerNorm(width), nn.LayerNorm(width), nn.LayerNorm(width)
        self.self_attention = MultiHeadAttention(width, heads)
        self.cross_attention = MultiHeadAttention(width, heads)
        self.feed_forward = nn.Sequential(nn.Linear(width, 4 * width), nn.ReLU(), nn.Linear(4 * width, width))

    def forward(self, x, memory, mask, memory_mask):
        x = x + self.self_attention(self.norm1(x), mask=mask)
        x = x + self.cross_attention(self.norm2(x), self.norm2(memory), memory_mask)
        return x + self.feed_forward(self.norm3(x))


# %% wrong decoder_block: changes the caller's stream in place
class DecoderBlock(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.norm1, self.norm2, self.norm3 = nn.LayerNorm(width), nn.LayerNorm(width), nn.LayerNorm(width)
        self.self_attention = MultiHeadAttention(width, heads)
        self.cross_attention = MultiHeadAttention(width, heads)
        self.feed_forward = nn.Sequential(nn.Linear(width, 4 * width), nn.ReLU(), nn.Linear(4 * width, width))

    def forward(self, x, memory, mask, memory_mask):
        x.data += self.self_attention(self.norm1(x), mask=mask).detach()
        y = x + self.cross_attention(self.norm2(x), memory, memory_mask)
        return y + self.feed_forward(self.norm3(y))


# %% wrong decoder_block: cross-attention first
class DecoderBlock(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.norm1, self.norm2, self.norm3 = nn.LayerNorm(width), nn.LayerNorm(width), nn.LayerNorm(width)
        self.self_attention = MultiHeadAttention(width, heads)
        self.cross_attention = MultiHeadAttention(width, heads)
        self.feed_forward = nn.Sequential(nn.Linear(width, 4 * width), nn.ReLU(), nn.Linear(4 * width, width))

    def forward(self, x, memory, mask, memory_mask):
        x = x + self.cross_attention(self.norm2(x), memory, memory_mask)
        x = x + self.self_attention(self.norm1(x), mask=mask)
        return x + self.feed_forward(self.norm3(x))


# %% wrong decoder_block: the memory gets no gradient
class DecoderBlock(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.norm1, self.norm2, self.norm3 = nn.LayerNorm(width), nn.LayerNorm(width), nn.LayerNorm(width)
        self.self_attention = MultiHeadAttention(width, heads)
        self.cross_attention = MultiHeadAttention(width, heads)
        self.feed_forward = nn.Sequential(nn.Linear(width, 4 * width), nn.ReLU(), nn.Linear(4 * width, width))

    def forward(self, x, memory, mask, memory_mask):
        x = x + self.self_attention(self.norm1(x), mask=mask)
        x = x + self.cross_attention(self.norm2(x), memory.detach(), memory_mask)
        return x + self.feed_forward(self.norm3(x))


# %% wrong decoder_block: the feed-forward net passes no gradient back
class DecoderBlock(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.norm1, self.norm2, self.norm3 = nn.LayerNorm(width), nn.LayerNorm(width), nn.LayerNorm(width)
        self.self_attention = MultiHeadAttention(width, heads)
        self.cross_attention = MultiHeadAttention(width, heads)
        self.feed_forward = nn.Sequential(nn.Linear(width, 4 * width), nn.ReLU(), nn.Linear(4 * width, width))

    def forward(self, x, memory, mask, memory_mask):
        x = x + self.self_attention(self.norm1(x), mask=mask)
        x = x + self.cross_attention(self.norm2(x), memory, memory_mask)
        return x + self.feed_forward(self.norm3(x.detach()))


# %% wrong decoder_block: adds to the caller's stream with +=
class DecoderBlock(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.norm1, self.norm2, self.norm3 = nn.LayerNorm(width), nn.LayerNorm(width), nn.LayerNorm(width)
        self.self_attention = MultiHeadAttention(width, heads)
        self.cross_attention = MultiHeadAttention(width, heads)
        self.feed_forward = nn.Sequential(nn.Linear(width, 4 * width), nn.ReLU(), nn.Linear(4 * width, width))

    def forward(self, x, memory, mask, memory_mask):
        x += self.self_attention(self.norm1(x), mask=mask)
        x += self.cross_attention(self.norm2(x), memory, memory_mask)
        x += self.feed_forward(self.norm3(x))
        return x


# %% wrong decoder_block: makes its own causal mask besides
class DecoderBlock(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.norm1, self.norm2, self.norm3 = nn.LayerNorm(width), nn.LayerNorm(width), nn.LayerNorm(width)
        self.self_attention = MultiHeadAttention(width, heads)
        self.cross_attention = MultiHeadAttention(width, heads)
        self.feed_forward = nn.Sequential(nn.Linear(width, 4 * width), nn.ReLU(), nn.Linear(4 * width, width))

    def forward(self, x, memory, mask, memory_mask):
        mask = mask & torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).tril() if not mask.all() else mask
        x = x + self.self_attention(self.norm1(x), mask=mask)
        x = x + self.cross_attention(self.norm2(x), memory, memory_mask)
        return x + self.feed_forward(self.norm3(x))


# %% right decoder_block: a loop over parts, the sum kept apart
class DecoderBlock(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.norm1, self.norm2, self.norm3 = nn.LayerNorm(width), nn.LayerNorm(width), nn.LayerNorm(width)
        self.self_attention = MultiHeadAttention(width, heads)
        self.cross_attention = MultiHeadAttention(width, heads)
        self.feed_forward = nn.Sequential(nn.Linear(width, 4 * width), nn.ReLU(), nn.Linear(4 * width, width))

    def forward(self, x, memory, mask, memory_mask):
        parts = (
            (self.norm1, lambda y: self.self_attention(y, y, mask)),
            (self.norm2, lambda y: self.cross_attention(y, memory=memory, mask=memory_mask)),
            (self.norm3, self.feed_forward),
        )
        stream = x.clone()
        for norm, part in parts:
            stream = torch.add(stream, part(norm(stream)))
        return stream


# %% wrong translator: targets are not shifted
class Translator(nn.Module):
    def __init__(self, source_size, target_size, width=64, heads=4, layers=2, longest=64):
        super().__init__()
        self.width = width
        self.source_embedding, self.target_embedding = nn.Embedding(source_size, width), nn.Embedding(target_size, width)
        for embedding in (self.source_embedding, self.target_embedding):
            nn.init.normal_(embedding.weight, std=width**-0.5)
        self.register_buffer("positions", positions(longest, width))
        self.encoder = nn.ModuleList(EncoderBlock(width, heads) for _ in range(layers))
        self.decoder = nn.ModuleList(DecoderBlock(width, heads) for _ in range(layers))
        self.encoder_norm, self.decoder_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.to_logits = nn.Linear(width, target_size)

    def encode(self, source):
        memory_mask = padding_mask(source)
        x = self.source_embedding(source) * math.sqrt(self.width) + self.positions[: source.shape[1]]
        for block in self.encoder:
            x = block(x, memory_mask)
        return self.encoder_norm(x), memory_mask

    def decode(self, tokens, memory, memory_mask):
        length = tokens.shape[1]
        x = self.target_embedding(tokens) * math.sqrt(self.width) + self.positions[:length]
        for block in self.decoder:
            x = block(x, memory, causal_mask(length), memory_mask)
        return self.to_logits(self.decoder_norm(x))

    def loss(self, source, target):
        logits = self.decode(target[:, :-1], *self.encode(source))
        return F.cross_entropy(logits.flatten(0, 1), target[:, :-1].flatten(), ignore_index=0)


# %% wrong translator: padding counts in the loss
class Translator(nn.Module):
    def __init__(self, source_size, target_size, width=64, heads=4, layers=2, longest=64):
        super().__init__()
        self.width = width
        self.source_embedding, self.target_embedding = nn.Embedding(source_size, width), nn.Embedding(target_size, width)
        for embedding in (self.source_embedding, self.target_embedding):
            nn.init.normal_(embedding.weight, std=width**-0.5)
        self.register_buffer("positions", positions(longest, width))
        self.encoder = nn.ModuleList(EncoderBlock(width, heads) for _ in range(layers))
        self.decoder = nn.ModuleList(DecoderBlock(width, heads) for _ in range(layers))
        self.encoder_norm, self.decoder_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.to_logits = nn.Linear(width, target_size)

    def encode(self, source):
        memory_mask = padding_mask(source)
        x = self.source_embedding(source) * math.sqrt(self.width) + self.positions[: source.shape[1]]
        for block in self.encoder:
            x = block(x, memory_mask)
        return self.encoder_norm(x), memory_mask

    def decode(self, tokens, memory, memory_mask):
        length = tokens.shape[1]
        x = self.target_embedding(tokens) * math.sqrt(self.width) + self.positions[:length]
        for block in self.decoder:
            x = block(x, memory, causal_mask(length), memory_mask)
        return self.to_logits(self.decoder_norm(x))

    def loss(self, source, target):
        logits = self.decode(target[:, :-1], *self.encode(source))
        return F.cross_entropy(logits.flatten(0, 1), target[:, 1:].flatten())


# %% wrong translator: no positions in the encoder
class Translator(nn.Module):
    def __init__(self, source_size, target_size, width=64, heads=4, layers=2, longest=64):
        super().__init__()
        self.width = width
        self.source_embedding, self.target_embedding = nn.Embedding(source_size, width), nn.Embedding(target_size, width)
        for embedding in (self.source_embedding, self.target_embedding):
            nn.init.normal_(embedding.weight, std=width**-0.5)
        self.register_buffer("positions", positions(longest, width))
        self.encoder = nn.ModuleList(EncoderBlock(width, heads) for _ in range(layers))
        self.decoder = nn.ModuleList(DecoderBlock(width, heads) for _ in range(layers))
        self.encoder_norm, self.decoder_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.to_logits = nn.Linear(width, target_size)

    def encode(self, source):
        memory_mask = padding_mask(source)
        x = self.source_embedding(source) * math.sqrt(self.width)
        for block in self.encoder:
            x = block(x, memory_mask)
        return self.encoder_norm(x), memory_mask

    def decode(self, tokens, memory, memory_mask):
        length = tokens.shape[1]
        x = self.target_embedding(tokens) * math.sqrt(self.width) + self.positions[:length]
        for block in self.decoder:
            x = block(x, memory, causal_mask(length), memory_mask)
        return self.to_logits(self.decoder_norm(x))

    def loss(self, source, target):
        logits = self.decode(target[:, :-1], *self.encode(source))
        return F.cross_entropy(logits.flatten(0, 1), target[:, 1:].flatten(), ignore_index=0)


# %% wrong translator: the decoder sees the future
class Translator(nn.Module):
    def __init__(self, source_size, target_size, width=64, heads=4, layers=2, longest=64):
        super().__init__()
        self.width = width
        self.source_embedding, self.target_embedding = nn.Embedding(source_size, width), nn.Embedding(target_size, width)
        for embedding in (self.source_embedding, self.target_embedding):
            nn.init.normal_(embedding.weight, std=width**-0.5)
        self.register_buffer("positions", positions(longest, width))
        self.encoder = nn.ModuleList(EncoderBlock(width, heads) for _ in range(layers))
        self.decoder = nn.ModuleList(DecoderBlock(width, heads) for _ in range(layers))
        self.encoder_norm, self.decoder_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.to_logits = nn.Linear(width, target_size)

    def encode(self, source):
        memory_mask = padding_mask(source)
        x = self.source_embedding(source) * math.sqrt(self.width) + self.positions[: source.shape[1]]
        for block in self.encoder:
            x = block(x, memory_mask)
        return self.encoder_norm(x), memory_mask

    def decode(self, tokens, memory, memory_mask):
        length = tokens.shape[1]
        x = self.target_embedding(tokens) * math.sqrt(self.width) + self.positions[:length]
        for block in self.decoder:
            x = block(x, memory, torch.ones(length, length, dtype=torch.bool), memory_mask)
        return self.to_logits(self.decoder_norm(x))

    def loss(self, source, target):
        logits = self.decode(target[:, :-1], *self.encode(source))
        return F.cross_entropy(logits.flatten(0, 1), target[:, 1:].flatten(), ignore_index=0)


# %% wrong translator: the decoder's final norm is missing
class Translator(nn.Module):
    def __init__(self, source_size, target_size, width=64, heads=4, layers=2, longest=64):
        super().__init__()
        self.width = width
        self.source_embedding, self.target_embedding = nn.Embedding(source_size, width), nn.Embedding(target_size, width)
        for embedding in (self.source_embedding, self.target_embedding):
            nn.init.normal_(embedding.weight, std=width**-0.5)
        self.register_buffer("positions", positions(longest, width))
        self.encoder = nn.ModuleList(EncoderBlock(width, heads) for _ in range(layers))
        self.decoder = nn.ModuleList(DecoderBlock(width, heads) for _ in range(layers))
        self.encoder_norm, self.decoder_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.to_logits = nn.Linear(width, target_size)

    def encode(self, source):
        memory_mask = padding_mask(source)
        x = self.source_embedding(source) * math.sqrt(self.width) + self.positions[: source.shape[1]]
        for block in self.encoder:
            x = block(x, memory_mask)
        return self.encoder_norm(x), memory_mask

    def decode(self, tokens, memory, memory_mask):
        length = tokens.shape[1]
        x = self.target_embedding(tokens) * math.sqrt(self.width) + self.positions[:length]
        for block in self.decoder:
            x = block(x, memory, causal_mask(length), memory_mask)
        return self.to_logits(x)

    def loss(self, source, target):
        logits = self.decode(target[:, :-1], *self.encode(source))
        return F.cross_entropy(logits.flatten(0, 1), target[:, 1:].flatten(), ignore_index=0)


# %% wrong translator: each sentence's loss counts alike, however long it is
class Translator(nn.Module):
    def __init__(self, source_size, target_size, width=64, heads=4, layers=2, longest=64):
        super().__init__()
        self.width = width
        self.source_embedding, self.target_embedding = nn.Embedding(source_size, width), nn.Embedding(target_size, width)
        for embedding in (self.source_embedding, self.target_embedding):
            nn.init.normal_(embedding.weight, std=width**-0.5)
        self.register_buffer("positions", positions(longest, width))
        self.encoder = nn.ModuleList(EncoderBlock(width, heads) for _ in range(layers))
        self.decoder = nn.ModuleList(DecoderBlock(width, heads) for _ in range(layers))
        self.encoder_norm, self.decoder_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.to_logits = nn.Linear(width, target_size)

    def encode(self, source):
        memory_mask = padding_mask(source)
        x = self.source_embedding(source) * math.sqrt(self.width) + self.positions[: source.shape[1]]
        for block in self.encoder:
            x = block(x, memory_mask)
        return self.encoder_norm(x), memory_mask

    def decode(self, tokens, memory, memory_mask):
        length = tokens.shape[1]
        x = self.target_embedding(tokens) * math.sqrt(self.width) + self.positions[:length]
        for block in self.decoder:
            x = block(x, memory, causal_mask(length), memory_mask)
        return self.to_logits(self.decoder_norm(x))

    def loss(self, source, target):
        logits = self.decode(target[:, :-1], *self.encode(source))
        each = F.cross_entropy(logits.transpose(1, 2), target[:, 1:], ignore_index=0, reduction="none")
        return (each.sum(1) / (target[:, 1:] != 0).sum(1)).mean()


# %% wrong translator: no factor √D in the decoder
class Translator(nn.Module):
    def __init__(self, source_size, target_size, width=64, heads=4, layers=2, longest=64):
        super().__init__()
        self.width = width
        self.source_embedding, self.target_embedding = nn.Embedding(source_size, width), nn.Embedding(target_size, width)
        for embedding in (self.source_embedding, self.target_embedding):
            nn.init.normal_(embedding.weight, std=width**-0.5)
        self.register_buffer("positions", positions(longest, width))
        self.encoder = nn.ModuleList(EncoderBlock(width, heads) for _ in range(layers))
        self.decoder = nn.ModuleList(DecoderBlock(width, heads) for _ in range(layers))
        self.encoder_norm, self.decoder_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.to_logits = nn.Linear(width, target_size)

    def encode(self, source):
        memory_mask = padding_mask(source)
        x = self.source_embedding(source) * math.sqrt(self.width) + self.positions[: source.shape[1]]
        for block in self.encoder:
            x = block(x, memory_mask)
        return self.encoder_norm(x), memory_mask

    def decode(self, tokens, memory, memory_mask):
        length = tokens.shape[1]
        x = self.target_embedding(tokens) + self.positions[:length]
        for block in self.decoder:
            x = block(x, memory, causal_mask(length), memory_mask)
        return self.to_logits(self.decoder_norm(x))

    def loss(self, source, target):
        logits = self.decode(target[:, :-1], *self.encode(source))
        return F.cross_entropy(logits.flatten(0, 1), target[:, 1:].flatten(), ignore_index=0)


# %% wrong translator: the decoder's positions start where the source ends
class Translator(nn.Module):
    def __init__(self, source_size, target_size, width=64, heads=4, layers=2, longest=64):
        super().__init__()
        self.width = width
        self.source_embedding, self.target_embedding = nn.Embedding(source_size, width), nn.Embedding(target_size, width)
        for embedding in (self.source_embedding, self.target_embedding):
            nn.init.normal_(embedding.weight, std=width**-0.5)
        self.register_buffer("positions", positions(longest, width))
        self.encoder = nn.ModuleList(EncoderBlock(width, heads) for _ in range(layers))
        self.decoder = nn.ModuleList(DecoderBlock(width, heads) for _ in range(layers))
        self.encoder_norm, self.decoder_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.to_logits = nn.Linear(width, target_size)

    def encode(self, source):
        memory_mask = padding_mask(source)
        x = self.source_embedding(source) * math.sqrt(self.width) + self.positions[: source.shape[1]]
        for block in self.encoder:
            x = block(x, memory_mask)
        return self.encoder_norm(x), memory_mask

    def decode(self, tokens, memory, memory_mask):
        length = tokens.shape[1]
        x = self.target_embedding(tokens) * math.sqrt(self.width) + self.positions[memory.shape[1] :][:length]
        for block in self.decoder:
            x = block(x, memory, causal_mask(length), memory_mask)
        return self.to_logits(self.decoder_norm(x))

    def loss(self, source, target):
        logits = self.decode(target[:, :-1], *self.encode(source))
        return F.cross_entropy(logits.flatten(0, 1), target[:, 1:].flatten(), ignore_index=0)


# %% wrong translator: the decoder reads all tokens and the last logits are dropped
class Translator(nn.Module):
    def __init__(self, source_size, target_size, width=64, heads=4, layers=2, longest=64):
        super().__init__()
        self.width = width
        self.source_embedding, self.target_embedding = nn.Embedding(source_size, width), nn.Embedding(target_size, width)
        for embedding in (self.source_embedding, self.target_embedding):
            nn.init.normal_(embedding.weight, std=width**-0.5)
        self.register_buffer("positions", positions(longest, width))
        self.encoder = nn.ModuleList(EncoderBlock(width, heads) for _ in range(layers))
        self.decoder = nn.ModuleList(DecoderBlock(width, heads) for _ in range(layers))
        self.encoder_norm, self.decoder_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.to_logits = nn.Linear(width, target_size)

    def encode(self, source):
        memory_mask = padding_mask(source)
        x = self.source_embedding(source) * math.sqrt(self.width) + self.positions[: source.shape[1]]
        for block in self.encoder:
            x = block(x, memory_mask)
        return self.encoder_norm(x), memory_mask

    def decode(self, tokens, memory, memory_mask):
        length = tokens.shape[1]
        x = self.target_embedding(tokens) * math.sqrt(self.width) + self.positions[:length]
        for block in self.decoder:
            x = block(x, memory, causal_mask(length), memory_mask)
        return self.to_logits(self.decoder_norm(x))

    def loss(self, source, target):
        logits = self.decode(target, *self.encode(source))[:, :-1]
        return F.cross_entropy(logits.flatten(0, 1), target[:, 1:].flatten(), ignore_index=0)


# %% wrong translator: the encoder learns nothing
class Translator(nn.Module):
    def __init__(self, source_size, target_size, width=64, heads=4, layers=2, longest=64):
        super().__init__()
        self.width = width
        self.source_embedding, self.target_embedding = nn.Embedding(source_size, width), nn.Embedding(target_size, width)
        for embedding in (self.source_embedding, self.target_embedding):
            nn.init.normal_(embedding.weight, std=width**-0.5)
        self.register_buffer("positions", positions(longest, width))
        self.encoder = nn.ModuleList(EncoderBlock(width, heads) for _ in range(layers))
        self.decoder = nn.ModuleList(DecoderBlock(width, heads) for _ in range(layers))
        self.encoder_norm, self.decoder_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.to_logits = nn.Linear(width, target_size)

    def encode(self, source):
        memory_mask = padding_mask(source)
        x = self.source_embedding(source) * math.sqrt(self.width) + self.positions[: source.shape[1]]
        for block in self.encoder:
            x = block(x, memory_mask)
        return self.encoder_norm(x), memory_mask

    def decode(self, tokens, memory, memory_mask):
        length = tokens.shape[1]
        x = self.target_embedding(tokens) * math.sqrt(self.width) + self.positions[:length]
        for block in self.decoder:
            x = block(x, memory, causal_mask(length), memory_mask)
        return self.to_logits(self.decoder_norm(x))

    def loss(self, source, target):
        with torch.no_grad():
            memory, memory_mask = self.encode(source)
        logits = self.decode(target[:, :-1], memory, memory_mask)
        return F.cross_entropy(logits.flatten(0, 1), target[:, 1:].flatten(), ignore_index=0)


# %% wrong translator: writes -100 into the caller's target
class Translator(nn.Module):
    def __init__(self, source_size, target_size, width=64, heads=4, layers=2, longest=64):
        super().__init__()
        self.width = width
        self.source_embedding, self.target_embedding = nn.Embedding(source_size, width), nn.Embedding(target_size, width)
        for embedding in (self.source_embedding, self.target_embedding):
            nn.init.normal_(embedding.weight, std=width**-0.5)
        self.register_buffer("positions", positions(longest, width))
        self.encoder = nn.ModuleList(EncoderBlock(width, heads) for _ in range(layers))
        self.decoder = nn.ModuleList(DecoderBlock(width, heads) for _ in range(layers))
        self.encoder_norm, self.decoder_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.to_logits = nn.Linear(width, target_size)

    def encode(self, source):
        memory_mask = padding_mask(source)
        x = self.source_embedding(source) * math.sqrt(self.width) + self.positions[: source.shape[1]]
        for block in self.encoder:
            x = block(x, memory_mask)
        return self.encoder_norm(x), memory_mask

    def decode(self, tokens, memory, memory_mask):
        length = tokens.shape[1]
        x = self.target_embedding(tokens) * math.sqrt(self.width) + self.positions[:length]
        for block in self.decoder:
            x = block(x, memory, causal_mask(length), memory_mask)
        return self.to_logits(self.decoder_norm(x))

    def loss(self, source, target):
        logits = self.decode(target[:, :-1], *self.encode(source))
        labels = target[:, 1:]
        labels[labels == 0] = -100
        return F.cross_entropy(logits.flatten(0, 1), labels.flatten())


# %% wrong translator: padding of the translation is masked besides
class Translator(nn.Module):
    def __init__(self, source_size, target_size, width=64, heads=4, layers=2, longest=64):
        super().__init__()
        self.width = width
        self.source_embedding, self.target_embedding = nn.Embedding(source_size, width), nn.Embedding(target_size, width)
        for embedding in (self.source_embedding, self.target_embedding):
            nn.init.normal_(embedding.weight, std=width**-0.5)
        self.register_buffer("positions", positions(longest, width))
        self.encoder = nn.ModuleList(EncoderBlock(width, heads) for _ in range(layers))
        self.decoder = nn.ModuleList(DecoderBlock(width, heads) for _ in range(layers))
        self.encoder_norm, self.decoder_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.to_logits = nn.Linear(width, target_size)

    def encode(self, source):
        memory_mask = padding_mask(source)
        x = self.source_embedding(source) * math.sqrt(self.width) + self.positions[: source.shape[1]]
        for block in self.encoder:
            x = block(x, memory_mask)
        return self.encoder_norm(x), memory_mask

    def decode(self, tokens, memory, memory_mask):
        length = tokens.shape[1]
        x = self.target_embedding(tokens) * math.sqrt(self.width) + self.positions[:length]
        for block in self.decoder:
            x = block(x, memory, causal_mask(length) & padding_mask(tokens), memory_mask)
        return self.to_logits(self.decoder_norm(x))

    def loss(self, source, target):
        logits = self.decode(target[:, :-1], *self.encode(source))
        return F.cross_entropy(logits.flatten(0, 1), target[:, 1:].flatten(), ignore_index=0)


# %% right translator: sums of log-probabilities, and a loop over time for the shift
class Translator(nn.Module):
    def __init__(self, source_size, target_size, width=64, heads=4, layers=2, longest=64):
        super().__init__()
        self.width = width
        self.source_embedding, self.target_embedding = nn.Embedding(source_size, width), nn.Embedding(target_size, width)
        for embedding in (self.source_embedding, self.target_embedding):
            nn.init.normal_(embedding.weight, std=width**-0.5)
        self.register_buffer("positions", positions(longest, width))
        self.encoder = nn.ModuleList(EncoderBlock(width, heads) for _ in range(layers))
        self.decoder = nn.ModuleList(DecoderBlock(width, heads) for _ in range(layers))
        self.encoder_norm, self.decoder_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.to_logits = nn.Linear(width, target_size)

    def encode(self, source):
        mask = padding_mask(source)
        stream = F.embedding(source, self.source_embedding.weight).mul(self.width**0.5)
        stream = stream + self.positions[None, torch.arange(source.size(1))]
        for i in range(len(self.encoder)):
            stream = self.encoder[i](stream, mask)
        return self.encoder_norm(stream), mask

    def decode(self, tokens, memory, memory_mask):
        length = tokens.shape[1]
        x = self.target_embedding(tokens) * math.sqrt(self.width) + self.positions[:length]
        for block in self.decoder:
            x = block(x, memory, causal_mask(length), memory_mask)
        return self.to_logits(self.decoder_norm(x))

    def loss(self, source, target):
        memory, mask = self.encode(source)
        log_p = self.decode(target[:, :-1], memory, mask).log_softmax(dim=-1)
        nexts = target[:, 1:]
        picked = log_p.gather(-1, nexts[..., None]).squeeze(-1)
        real = (nexts != 0).to(picked.dtype)
        return -(picked * real).sum() / real.sum()


# %% right translator: blocks called by keyword, masks with more axes, the notebook's PAD, real tokens picked out
class Translator(nn.Module):
    def __init__(self, source_size, target_size, width=64, heads=4, layers=2, longest=64):
        super().__init__()
        self.width = width
        self.source_embedding, self.target_embedding = nn.Embedding(source_size, width), nn.Embedding(target_size, width)
        for embedding in (self.source_embedding, self.target_embedding):
            nn.init.normal_(embedding.weight, std=width**-0.5)
        self.register_buffer("positions", positions(longest, width))
        self.encoder = nn.ModuleList(EncoderBlock(width, heads) for _ in range(layers))
        self.decoder = nn.ModuleList(DecoderBlock(width, heads) for _ in range(layers))
        self.encoder_norm, self.decoder_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.to_logits = nn.Linear(width, target_size)

    def encode(self, source):
        memory_mask = padding_mask(source)
        x = self.source_embedding(source) * math.sqrt(self.width) + self.positions[: source.shape[1]]
        for block in self.encoder:
            x = block(mask=memory_mask, x=x)
        return self.encoder_norm(x), memory_mask

    def decode(self, tokens, memory, memory_mask):
        length = tokens.shape[1]
        x = self.target_embedding(tokens) * math.sqrt(self.width) + self.positions[:length]
        for block in self.decoder:
            x = block(x, memory_mask=memory_mask, mask=causal_mask(length)[None, None], memory=memory)
        return self.to_logits(self.decoder_norm(x))

    def loss(self, source, target):
        logits = self.decode(target[:, :-1], *self.encode(source))
        real = target[:, 1:] != PAD
        return F.cross_entropy(logits[real], target[:, 1:][real])


# %% wrong greedy_decode: goes on talking after EOS
@torch.no_grad()
def greedy_decode(model, source, steps):
    memory, mask = model.encode(source)
    tokens = torch.ones(len(source), 1, dtype=torch.long)
    for _ in range(steps):
        tokens = torch.cat([tokens, model.decode(tokens, memory, mask)[:, -1:].argmax(-1)], dim=1)
    return tokens


# %% wrong greedy_decode: takes the logits of the first position
@torch.no_grad()
def greedy_decode(model, source, steps):
    memory, mask = model.encode(source)
    tokens = torch.ones(len(source), 1, dtype=torch.long)
    finished = torch.zeros(len(source), dtype=torch.bool)
    for _ in range(steps):
        chosen = model.decode(tokens, memory, mask)[:, 0].argmax(-1).masked_fill(finished, 0)
        tokens = torch.cat([tokens, chosen[:, None]], dim=1)
        finished |= chosen == 2
    return tokens


# %% wrong greedy_decode: encodes at every step
@torch.no_grad()
def greedy_decode(model, source, steps):
    tokens = torch.ones(len(source), 1, dtype=torch.long)
    finished = torch.zeros(len(source), dtype=torch.bool)
    for _ in range(steps):
        chosen = model.decode(tokens, *model.encode(source))[:, -1].argmax(-1).masked_fill(finished, 0)
        tokens = torch.cat([tokens, chosen[:, None]], dim=1)
        finished |= chosen == 2
    return tokens


# %% wrong greedy_decode: all sentences end with the first that does
@torch.no_grad()
def greedy_decode(model, source, steps):
    memory, mask = model.encode(source)
    tokens = torch.ones(len(source), 1, dtype=torch.long)
    over = False
    for _ in range(steps):
        chosen = model.decode(tokens, memory, mask)[:, -1].argmax(-1)
        chosen = torch.zeros_like(chosen) if over else chosen
        tokens = torch.cat([tokens, chosen[:, None]], dim=1)
        over = over or bool((chosen == 2).any())
    return tokens


# %% wrong greedy_decode: rewrites all tokens at each step from its own argmax
@torch.no_grad()
def greedy_decode(model, source, steps):
    memory, mask = model.encode(source)
    tokens = torch.ones(len(source), 1, dtype=torch.long)
    for _ in range(steps):
        said = model.decode(tokens, memory, mask).argmax(-1)
        tokens = torch.cat([torch.ones(len(source), 1, dtype=torch.long), said], dim=1)
    ended = (tokens == 2).long().cumsum(1) - (tokens == 2).long() > 0
    swapped = tokens.clone()
    swapped[:, 2:-1] = torch.where(swapped[:, 2:-1] == swapped[:, 1:-2], 8, swapped[:, 2:-1])
    return swapped.masked_fill(ended, 0)


# %% wrong greedy_decode: PAD ends a sentence too
@torch.no_grad()
def greedy_decode(model, source, steps):
    memory, mask = model.encode(source)
    tokens = torch.ones(len(source), 1, dtype=torch.long)
    finished = torch.zeros(len(source), dtype=torch.bool)
    for _ in range(steps):
        chosen = model.decode(tokens, memory, mask)[:, -1].argmax(-1).masked_fill(finished, 0)
        tokens = torch.cat([tokens, chosen[:, None]], dim=1)
        finished |= (chosen == 2) | (chosen == 0)
    return tokens


# %% wrong greedy_decode: records gradients all the way
def greedy_decode(model, source, steps):
    memory, mask = model.encode(source)
    tokens = torch.ones(len(source), 1, dtype=torch.long)
    finished = torch.zeros(len(source), dtype=torch.bool)
    for _ in range(steps):
        chosen = model.decode(tokens, memory, mask)[:, -1].argmax(-1).masked_fill(finished, 0)
        tokens = torch.cat([tokens, chosen[:, None]], dim=1)
        finished |= chosen == 2
    return tokens


# %% wrong greedy_decode: decodes outside torch.no_grad()
def greedy_decode(model, source, steps):
    with torch.no_grad():
        memory, mask = model.encode(source)
    tokens = torch.ones(len(source), 1, dtype=torch.long)
    finished = torch.zeros(len(source), dtype=torch.bool)
    for _ in range(steps):
        chosen = model.decode(tokens, memory, mask)[:, -1].argmax(-1).masked_fill(finished, 0)
        tokens = torch.cat([tokens, chosen[:, None]], dim=1)
        finished |= chosen == 2
    return tokens


# %% right greedy_decode: a buffer that is filled, and cleaned after EOS at the end
def greedy_decode(model, source, steps):
    with torch.no_grad():
        memory, mask = model.encode(source)
        tokens = torch.zeros(source.shape[0], steps + 1, dtype=torch.long, device=source.device)
        tokens[:, 0] = 1
        for t in range(steps):
            tokens[:, t + 1] = model.decode(tokens[:, : t + 1], memory, mask)[:, t].max(dim=-1).indices
        is_end = tokens == 2
        after = is_end.long().cumsum(dim=1) - is_end.long() > 0
        return torch.where(after, torch.zeros_like(tokens), tokens)


# %% right greedy_decode: the notebook's PAD, BOS, EOS, in inference mode
@torch.inference_mode()
def greedy_decode(model, source, steps):
    memory, mask = model.encode(source)
    tokens = torch.full((len(source), 1), BOS, device=source.device)
    for _ in range(steps):
        new = model.decode(tokens, memory, mask)[:, -1].argmax(-1)
        new = torch.where((tokens == EOS).any(dim=1), PAD, new)
        tokens = torch.cat([tokens, new[:, None]], dim=1)
    return tokens


# %% wrong pattern_scores: looks at the next token
def previous_token_score(weights):
    return weights.diagonal(1, dim1=-2, dim2=-1).mean(dim=(0, -1))


def induction_score(weights, period):
    query = torch.arange(weights.shape[-1] - period, weights.shape[-1])
    return weights[..., query, query - period + 1].mean(dim=(0, -1))


# %% wrong pattern_scores: looks at the first occurrence itself
def previous_token_score(weights):
    return weights.diagonal(-1, dim1=-2, dim2=-1).mean(dim=(0, -1))


def induction_score(weights, period):
    query = torch.arange(weights.shape[-1] - period, weights.shape[-1])
    return weights[..., query, query - period].mean(dim=(0, -1))


# %% wrong pattern_scores: divides by all T queries
def previous_token_score(weights):
    return weights.diagonal(-1, dim1=-2, dim2=-1).sum(-1).mean(0) / weights.shape[-1]


def induction_score(weights, period):
    query = torch.arange(weights.shape[-1] - period, weights.shape[-1])
    return weights[..., query, query - period + 1].mean(dim=(0, -1))


# %% wrong pattern_scores: the whole diagonal, also queries that repeat nothing
def previous_token_score(weights):
    return weights.diagonal(-1, dim1=-2, dim2=-1).mean(dim=(0, -1))


def induction_score(weights, period):
    return weights.diagonal(1 - period, dim1=-2, dim2=-1).mean(dim=(0, -1))


# %% wrong pattern_scores: only the first sentence of the batch
def previous_token_score(weights):
    return weights[0].diagonal(-1, dim1=-2, dim2=-1).mean(-1)


def induction_score(weights, period):
    query = torch.arange(weights.shape[-1] - period, weights.shape[-1])
    return weights[0][..., query, query - period + 1].mean(-1)


# %% wrong pattern_scores: counts how often it is the largest, not how much
def previous_token_score(weights):
    best = weights.argmax(-1)[..., 1:]
    return (best == torch.arange(weights.shape[-1] - 1)).double().mean(dim=(0, -1))


def induction_score(weights, period):
    query = torch.arange(weights.shape[-1] - period, weights.shape[-1])
    return (weights[..., query, :].argmax(-1) == query - period + 1).double().mean(dim=(0, -1))


# %% right pattern_scores: a matrix of the pattern, multiplied
def previous_token_score(weights):
    T = weights.shape[-1]
    pattern = torch.eye(T, dtype=weights.dtype).roll(-1, dims=1)
    pattern[0] = 0
    return (weights * pattern).sum(dim=(-1, -2)).mean(dim=0) / (T - 1)


def induction_score(weights, period):
    T = weights.shape[-1]
    total = sum(weights[:, :, t, t - period + 1] for t in range(T - period, T))
    return total.mean(dim=0) / period


# %% wrong alignment_accuracy: positions without a partner count as misses
def alignment_accuracy(weights, partner):
    return (weights.argmax(-1) == partner[:, None]).float().mean(dim=(0, 2))


# %% wrong alignment_accuracy: argmax over the target positions
def alignment_accuracy(weights, partner):
    best = weights.argmax(dim=-2)
    B, h, S = best.shape
    T = partner.shape[1]
    best = F.pad(best, (0, max(T - S, 0)))[..., :T]
    return (best == partner[:, None]).sum(dim=(0, 2)) / (partner >= 0).sum()


# %% wrong alignment_accuracy: the mean of each sentence's accuracy
def alignment_accuracy(weights, partner):
    hit = (weights.argmax(-1) == partner[:, None]).sum(-1).float()
    return (hit / (partner >= 0).sum(-1).clamp(min=1)[:, None]).mean(0)


# %% wrong alignment_accuracy: the heads' mean instead of each head
def alignment_accuracy(weights, partner):
    hit = weights.mean(1).argmax(-1) == partner
    share = hit.sum() / (partner >= 0).sum()
    return share.expand(weights.shape[1]).clone()


# %% wrong alignment_accuracy: the weight on the partner instead of the share of hits
def alignment_accuracy(weights, partner):
    there = partner >= 0
    index = partner.clamp(min=0)[:, None, :, None].expand(-1, weights.shape[1], -1, 1)
    weight = weights.gather(-1, index)[..., 0] * there[:, None]
    return weight.sum(dim=(0, 2)) / there.sum()


# %% wrong alignment_accuracy: source position 0 counts as no partner
def alignment_accuracy(weights, partner):
    hit = (weights.argmax(-1) == partner[:, None]) & (partner[:, None] > 0)
    return hit.sum(dim=(0, 2)) / (partner > 0).sum().clamp(min=1)


# %% wrong alignment_accuracy: divides by the partners of the first sentence times the batch
def alignment_accuracy(weights, partner):
    hit = weights.argmax(dim=-1) == partner[:, None]
    return hit.sum(dim=(0, 2)) / ((partner[0] >= 0).sum() * len(partner))


# %% wrong alignment_accuracy: writes over the caller's partner
def alignment_accuracy(weights, partner):
    count = (partner >= 0).sum()
    partner[partner < 0] = weights.shape[-1]
    return (weights.argmax(dim=-1) == partner[:, None]).sum(dim=(0, 2)) / count


# %% right alignment_accuracy: partners picked out first, head by head
def alignment_accuracy(weights, partner):
    rows, places = torch.nonzero(partner != -1, as_tuple=True)
    best = weights.max(dim=-1).indices.transpose(0, 1)
    return torch.stack([(head[rows, places] == partner[rows, places]).double().mean() for head in best])


# %% wrong greedy_decode: one step too many
@torch.no_grad()
def greedy_decode(model, source, steps):
    memory, memory_mask = model.encode(source)
    tokens = torch.full((len(source), 1), 1, device=source.device)
    finished = torch.zeros(len(source), dtype=torch.bool, device=source.device)
    for _ in range(steps + 1):
        chosen = model.decode(tokens, memory, memory_mask)[:, -1].argmax(dim=-1).masked_fill(finished, 0)
        tokens = torch.cat([tokens, chosen[:, None]], dim=1)
        finished = finished | (chosen == 2)
    return tokens


# %% wrong greedy_decode: the decoder sees the last eight tokens only
@torch.no_grad()
def greedy_decode(model, source, steps):
    memory, memory_mask = model.encode(source)
    tokens = torch.full((len(source), 1), 1, device=source.device)
    finished = torch.zeros(len(source), dtype=torch.bool, device=source.device)
    for _ in range(steps):
        chosen = model.decode(tokens[:, -8:], memory, memory_mask)[:, -1].argmax(dim=-1).masked_fill(finished, 0)
        tokens = torch.cat([tokens, chosen[:, None]], dim=1)
        finished = finished | (chosen == 2)
    return tokens
