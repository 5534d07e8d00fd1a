# Answers to week 9 that its graders must tell apart. Each cell replaces the student's cell of that name.

# %% wrong filters: the crossing token is dropped
def top(logits, count):
    if not 0 < count < logits.shape[-1]:
        return logits
    return logits.masked_fill(logits < logits.topk(count, dim=-1).values[..., -1:], -torch.inf)


def nucleus(logits, share):
    if share >= 1:
        return logits
    ordered, order = logits.softmax(-1).sort(dim=-1, descending=True)
    dropped = ordered.cumsum(-1) > share
    dropped[..., 0] = False
    return logits.masked_fill(torch.zeros_like(dropped).scatter(-1, order, dropped), -torch.inf)


# %% wrong filters: the decision stays at the sorted places
def top(logits, count):
    if not 0 < count < logits.shape[-1]:
        return logits
    return logits.masked_fill(logits < logits.topk(count, dim=-1).values[..., -1:], -torch.inf)


def nucleus(logits, share):
    if share >= 1:
        return logits
    ordered = logits.softmax(-1).sort(dim=-1, descending=True).values
    return logits.masked_fill(ordered.cumsum(-1) - ordered >= share, -torch.inf)


# %% wrong filters: what goes becomes 0, which is a logit like any other
def top(logits, count):
    if not 0 < count < logits.shape[-1]:
        return logits
    return logits.masked_fill(logits < logits.topk(count, dim=-1).values[..., -1:], 0.0)


def nucleus(logits, share):
    if share >= 1:
        return logits
    ordered, order = logits.softmax(-1).sort(dim=-1, descending=True)
    dropped = ordered.cumsum(-1) - ordered >= share
    return logits.masked_fill(torch.zeros_like(dropped).scatter(-1, order, dropped), 0.0)


# %% wrong filters: the batch is flattened for the cumulative sum
def top(logits, count):
    if not 0 < count < logits.shape[-1]:
        return logits
    return logits.masked_fill(logits < logits.topk(count, dim=-1).values[..., -1:], -torch.inf)


def nucleus(logits, share):
    if share >= 1:
        return logits
    flat = logits.flatten()
    ordered, order = flat.softmax(-1).sort(descending=True)
    dropped = torch.zeros_like(flat, dtype=torch.bool).scatter(0, order, ordered.cumsum(0) - ordered >= share)
    return flat.masked_fill(dropped, -torch.inf).view_as(logits)


# %% wrong filters: exactly k stay, whatever equals the last of them
def top(logits, count):
    if not 0 < count < logits.shape[-1]:
        return logits
    values, places = logits.topk(count, dim=-1)
    return torch.full_like(logits, -torch.inf).scatter(-1, places, values)


def nucleus(logits, share):
    if share >= 1:
        return logits
    ordered, order = logits.softmax(-1).sort(dim=-1, descending=True)
    dropped = ordered.cumsum(-1) - ordered >= share
    return logits.masked_fill(torch.zeros_like(dropped).scatter(-1, order, dropped), -torch.inf)


# %% wrong filters: the survivors are renormalised
def top(logits, count):
    if not 0 < count < logits.shape[-1]:
        return logits
    return logits.masked_fill(logits < logits.topk(count, dim=-1).values[..., -1:], -torch.inf).log_softmax(-1)


def nucleus(logits, share):
    if share >= 1:
        return logits
    ordered, order = logits.softmax(-1).sort(dim=-1, descending=True)
    dropped = ordered.cumsum(-1) - ordered >= share
    return logits.masked_fill(torch.zeros_like(dropped).scatter(-1, order, dropped), -torch.inf).log_softmax(-1)


# %% wrong filters: the input is changed
def top(logits, count):
    if not 0 < count < logits.shape[-1]:
        return logits
    return logits.masked_fill_(logits < logits.topk(count, dim=-1).values[..., -1:], -torch.inf)


def nucleus(logits, share):
    if share >= 1:
        return logits
    ordered, order = logits.softmax(-1).sort(dim=-1, descending=True)
    dropped = ordered.cumsum(-1) - ordered >= share
    return logits.masked_fill_(torch.zeros_like(dropped).scatter(-1, order, dropped), -torch.inf)


# %% wrong filters: a threshold on the single probability instead of the sum
def top(logits, count):
    if not 0 < count < logits.shape[-1]:
        return logits
    return logits.masked_fill(logits < logits.topk(count, dim=-1).values[..., -1:], -torch.inf)


def nucleus(logits, share):
    if share >= 1:
        return logits
    probabilities = logits.softmax(-1)
    least = (1 - share) * probabilities.amax(-1, keepdim=True) * 0.8
    return logits.masked_fill(probabilities < least, -torch.inf)


# %% wrong filters: share 1 has no case of its own, and loses what rounding says is beyond 1
def top(logits, count):
    if not 0 < count < logits.shape[-1]:
        return logits
    return logits.masked_fill(logits < logits.topk(count, dim=-1).values[..., -1:], -torch.inf)


def nucleus(logits, share):
    ordered, order = logits.softmax(-1).sort(dim=-1, descending=True)
    dropped = ordered.cumsum(-1) - ordered >= share
    return logits.masked_fill(torch.zeros_like(dropped).scatter(-1, order, dropped), -torch.inf)


# %% wrong filters: sums over logits that are made positive, not over probabilities
def top(logits, count):
    if not 0 < count < logits.shape[-1]:
        return logits
    return logits.masked_fill(logits < logits.topk(count, dim=-1).values[..., -1:], -torch.inf)


def nucleus(logits, share):
    if share >= 1:
        return logits
    weights = logits - logits.amin(-1, keepdim=True) + 0.01
    ordered, order = (weights / weights.sum(-1, keepdim=True)).sort(dim=-1, descending=True)
    dropped = ordered.cumsum(-1) - ordered >= share
    return logits.masked_fill(torch.zeros_like(dropped).scatter(-1, order, dropped), -torch.inf)


# %% right filters: a threshold logit, found from the sorted ones
def top(logits, count):
    V = logits.size(-1)
    if count == 0 or count >= V:
        return logits.clone()
    edge = torch.sort(logits, dim=-1)[0].narrow(-1, V - count, 1)
    return torch.where(logits >= edge, logits, torch.full_like(logits, float("-inf")))


def nucleus(logits, share):
    if share == 1:
        return logits.clone()
    ordered = torch.sort(logits, dim=-1, descending=True)[0]
    reached = torch.softmax(ordered, -1).cumsum(-1)
    needed = (reached < share).sum(-1, keepdim=True).clamp(max=logits.size(-1) - 1)
    return torch.where(logits >= ordered.gather(-1, needed), logits, torch.tensor(float("-inf"), dtype=logits.dtype))


# %% right filters: ascending, as Hugging Face does it, and row by row for top
def top(logits, count):
    if count <= 0 or count >= logits.shape[-1]:
        return logits
    rows = [row.where(row >= row.sort().values[-count], -math.inf) for row in logits.reshape(-1, logits.shape[-1])]
    return torch.stack(rows).reshape(logits.shape)


def nucleus(logits, share):
    if share >= 1:
        return logits
    ordered, order = torch.sort(logits, descending=False)
    dropped = ordered.softmax(dim=-1).cumsum(dim=-1) <= 1 - share
    dropped[..., -1:] = False
    result = logits.clone()
    result[dropped.scatter(-1, order, dropped)] = -math.inf
    return result


# %% wrong penalised: negative logits are divided too, which rewards them
def penalised(logits, seen, penalty):
    logits = logits.clone()
    places = sorted({*seen})
    logits[places] = logits[places] / penalty
    return logits


# %% wrong penalised: once for every time that a token was seen
def penalised(logits, seen, penalty):
    logits = logits.clone()
    for token in seen:
        logits[token] = logits[token] / penalty if logits[token] > 0 else logits[token] * penalty
    return logits


# %% wrong penalised: changes the logits that were given
def penalised(logits, seen, penalty):
    for token in {*seen}:
        logits[token] = logits[token] / penalty if logits[token] > 0 else logits[token] * penalty
    return logits


# %% wrong penalised: a fixed amount is taken off
def penalised(logits, seen, penalty):
    logits = logits.clone()
    logits[sorted({*seen})] -= penalty - 1
    return logits


# %% wrong penalised: all tokens but those seen
def penalised(logits, seen, penalty):
    result = torch.where(logits > 0, logits / penalty, logits * penalty)
    places = sorted({*seen})
    result[places] = logits[places]
    return result


# %% wrong penalised: only the last four tokens count
def penalised(logits, seen, penalty):
    logits = logits.clone()
    for token in {*seen[-4:]}:
        logits[token] = logits[token] / penalty if logits[token] > 0 else logits[token] * penalty
    return logits


# %% wrong penalised: the result is always float32
def penalised(logits, seen, penalty):
    result = logits.float().clone()
    for token in {*seen}:
        result[token] = result[token] / penalty if result[token] > 0 else result[token] * penalty
    return result


# %% wrong penalised: forgets duplicates by removing them from the caller's list
def penalised(logits, seen, penalty):
    logits = logits.clone()
    while seen:
        token = seen.pop()
        if token not in seen:
            logits[token] = logits[token] / penalty if logits[token] > 0 else logits[token] * penalty
    return logits


# %% right penalised: a mask over the vocabulary
def penalised(logits, seen, penalty):
    there = torch.zeros(logits.shape, dtype=torch.bool)
    there[list(seen)] = True
    factor = torch.where(logits.gt(0), 1 / penalty, penalty).to(logits.dtype)
    return torch.where(there, logits * factor, logits)


# %% right penalised: gather and scatter, as Hugging Face does it
def penalised(logits, seen, penalty):
    places = torch.tensor(seen, dtype=torch.long)
    score = torch.gather(logits, 0, places)
    score = torch.where(score < 0, score * penalty, score / penalty)
    return logits.scatter(0, places, score)


# %% wrong sampling: the temperature is applied to probabilities, where it does nothing
@dataclass(frozen=True)
class Sampling:
    penalty: float = 1.0
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0

    def __call__(self, logits, seen, generator):
        logits = nucleus(top(penalised(logits, seen, self.penalty), self.top_k), self.top_p)
        probabilities = logits.softmax(-1) / self.temperature
        return torch.multinomial(probabilities / probabilities.sum(), 1, generator=generator).item()


# %% wrong sampling: multiplies by the temperature
@dataclass(frozen=True)
class Sampling:
    penalty: float = 1.0
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0

    def __call__(self, logits, seen, generator):
        logits = penalised(logits, seen, self.penalty) * self.temperature
        probabilities = nucleus(top(logits, self.top_k), self.top_p).softmax(-1)
        return torch.multinomial(probabilities, 1, generator=generator).item()


# %% wrong sampling: the nucleus is taken before the temperature
@dataclass(frozen=True)
class Sampling:
    penalty: float = 1.0
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0

    def __call__(self, logits, seen, generator):
        logits = nucleus(top(penalised(logits, seen, self.penalty), self.top_k), self.top_p) / self.temperature
        return torch.multinomial(logits.softmax(-1), 1, generator=generator).item()


# %% wrong sampling: the nucleus is taken before top-k
@dataclass(frozen=True)
class Sampling:
    penalty: float = 1.0
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0

    def __call__(self, logits, seen, generator):
        logits = penalised(logits, seen, self.penalty) / self.temperature
        probabilities = top(nucleus(logits, self.top_p), self.top_k).softmax(-1)
        return torch.multinomial(probabilities, 1, generator=generator).item()


# %% wrong sampling: filters after the draw, and takes the likeliest where the drawn token was filtered
@dataclass(frozen=True)
class Sampling:
    penalty: float = 1.0
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0

    def __call__(self, logits, seen, generator):
        logits = penalised(logits, seen, self.penalty) / self.temperature
        token = torch.multinomial(logits.softmax(-1), 1, generator=generator).item()
        left = nucleus(top(logits, self.top_k), self.top_p)
        return token if left[token] > -torch.inf else left.argmax().item()


# %% wrong sampling: draws from the global state
@dataclass(frozen=True)
class Sampling:
    penalty: float = 1.0
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0

    def __call__(self, logits, seen, generator):
        logits = penalised(logits, seen, self.penalty) / self.temperature
        return torch.multinomial(nucleus(top(logits, self.top_k), self.top_p).softmax(-1), 1).item()


# %% wrong sampling: forgets the penalty
@dataclass(frozen=True)
class Sampling:
    penalty: float = 1.0
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0

    def __call__(self, logits, seen, generator):
        probabilities = nucleus(top(logits / self.temperature, self.top_k), self.top_p).softmax(-1)
        return torch.multinomial(probabilities, 1, generator=generator).item()


# %% wrong sampling: penalises after the filters
@dataclass(frozen=True)
class Sampling:
    penalty: float = 1.0
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0

    def __call__(self, logits, seen, generator):
        logits = nucleus(top(logits / self.temperature, self.top_k), self.top_p)
        probabilities = penalised(logits, seen, self.penalty).softmax(-1)
        return torch.multinomial(probabilities, 1, generator=generator).item()


# %% wrong sampling: seeds the generator at each call
@dataclass(frozen=True)
class Sampling:
    penalty: float = 1.0
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0

    def __call__(self, logits, seen, generator):
        generator.manual_seed(generator.initial_seed())
        logits = penalised(logits, seen, self.penalty) / self.temperature
        probabilities = nucleus(top(logits, self.top_k), self.top_p).softmax(-1)
        return torch.multinomial(probabilities, 1, generator=generator).item()


# %% wrong sampling: divides the caller's logits
@dataclass(frozen=True)
class Sampling:
    penalty: float = 1.0
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0

    def __call__(self, logits, seen, generator):
        logits /= self.temperature
        logits = penalised(logits, seen, self.penalty)
        probabilities = nucleus(top(logits, self.top_k), self.top_p).softmax(-1)
        return torch.multinomial(probabilities, 1, generator=generator).item()


# %% right sampling: Gumbel noise and the maximum
@dataclass(frozen=True)
class Sampling:
    penalty: float = 1.0
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0

    def __call__(self, logits, seen, generator):
        x = penalised(logits, seen, self.penalty).double() / self.temperature
        x = nucleus(top(x, self.top_k), self.top_p)
        noise = -torch.log(-torch.log(torch.rand(x.shape, generator=generator, dtype=torch.float64)))
        return int(torch.argmax(x + noise))


# %% right sampling: the inverse of the cumulative distribution, over the tokens that are left
@dataclass(frozen=True)
class Sampling:
    penalty: float = 1.0
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0

    def __call__(self, logits, seen, generator):
        scaled = penalised(torch.div(logits, self.temperature), seen, self.penalty)
        left = nucleus(top(scaled, self.top_k), self.top_p)
        places = torch.isfinite(left).nonzero()[:, 0]
        reached = F.softmax(left[places], dim=0).cumsum(0)
        at = torch.searchsorted(reached, torch.rand(1, generator=generator) * reached[-1], right=True)
        return places[at.clamp(max=len(places) - 1)].item()


# %% wrong beam_search: the best continuation of each beam, which never compete
@torch.no_grad()
def beam_search(log_probabilities, prompt, width, steps):
    first = log_probabilities(prompt[None])[0]
    scores, token = first.topk(min(width, len(first)))
    sequences = torch.cat([prompt.expand(len(token), -1), token[:, None]], dim=1)
    for _ in range(steps - 1):
        more, token = log_probabilities(sequences).max(-1)
        scores, sequences = scores + more, torch.cat([sequences, token[:, None]], dim=1)
    order = scores.argsort(descending=True)
    return sequences[order], scores[order]


# %% wrong beam_search: histories stay with their rows
@torch.no_grad()
def beam_search(log_probabilities, prompt, width, steps):
    sequences, scores = prompt[None], torch.zeros(1)
    for _ in range(steps):
        extended = scores[:, None] + log_probabilities(sequences)
        scores, chosen = extended.flatten().topk(min(width, extended.numel()))
        if len(sequences) < len(scores):
            sequences = sequences[torch.arange(len(scores)) % len(sequences)]
        sequences = torch.cat([sequences, (chosen % extended.shape[1])[:, None]], dim=1)
    return sequences, scores


# %% wrong beam_search: only the last step's probability decides
@torch.no_grad()
def beam_search(log_probabilities, prompt, width, steps):
    sequences, total = prompt[None], torch.zeros(1)
    for _ in range(steps):
        said = log_probabilities(sequences)
        more, chosen = said.flatten().topk(min(width, said.numel()))
        origin, token = chosen // said.shape[1], chosen % said.shape[1]
        total, sequences = total[origin] + more, torch.cat([sequences[origin], token[:, None]], dim=1)
    return sequences, total


# %% wrong beam_search: starts with copies of the prompt, which stay copies
@torch.no_grad()
def beam_search(log_probabilities, prompt, width, steps):
    sequences, scores = prompt.repeat(width, 1), torch.zeros(width)
    for _ in range(steps):
        extended = scores[:, None] + log_probabilities(sequences)
        scores, chosen = extended.flatten().topk(width)
        sequences = torch.cat([sequences[chosen // extended.shape[1]], (chosen % extended.shape[1])[:, None]], dim=1)
    return sequences, scores


# %% wrong beam_search: scores are means per token
@torch.no_grad()
def beam_search(log_probabilities, prompt, width, steps):
    sequences, scores = prompt[None], torch.zeros(1)
    for _ in range(steps):
        extended = scores[:, None] + log_probabilities(sequences)
        scores, chosen = extended.flatten().topk(min(width, extended.numel()))
        sequences = torch.cat([sequences[chosen // extended.shape[1]], (chosen % extended.shape[1])[:, None]], dim=1)
    return sequences, scores / steps


# %% wrong beam_search: the best comes last
@torch.no_grad()
def beam_search(log_probabilities, prompt, width, steps):
    sequences, scores = prompt[None], torch.zeros(1)
    for _ in range(steps):
        extended = scores[:, None] + log_probabilities(sequences)
        scores, chosen = extended.flatten().topk(min(width, extended.numel()))
        sequences = torch.cat([sequences[chosen // extended.shape[1]], (chosen % extended.shape[1])[:, None]], dim=1)
    return sequences.flip(0), scores.flip(0)


# %% wrong beam_search: the greedy sequence is always kept, so that wider is never worse
@torch.no_grad()
def beam_search(log_probabilities, prompt, width, steps):
    sequences, scores = prompt[None], torch.zeros(1)
    greedy = torch.zeros(1, dtype=torch.bool)
    greedy[0] = True
    for _ in range(steps):
        said = log_probabilities(sequences)
        extended = scores[:, None] + said
        chosen = extended.flatten().topk(min(width, extended.numel())).indices
        row = int(greedy.nonzero()[0])
        own = row * said.shape[1] + int(said[row].argmax())
        if own not in chosen.tolist():
            chosen[-1] = own
        greedy = chosen == own
        scores = extended.flatten()[chosen]
        sequences = torch.cat([sequences[chosen // said.shape[1]], (chosen % said.shape[1])[:, None]], dim=1)
    return sequences, scores


# %% wrong beam_search: each sequence may bring two candidates only
@torch.no_grad()
def beam_search(log_probabilities, prompt, width, steps):
    sequences, scores = prompt[None], torch.zeros(1)
    for _ in range(steps):
        best, token = log_probabilities(sequences).topk(2 if len(sequences) > 1 else min(width, 3), dim=-1)
        extended = scores[:, None] + best
        scores, chosen = extended.flatten().topk(min(width, extended.numel()))
        origin, rank = chosen // extended.shape[1], chosen % extended.shape[1]
        sequences = torch.cat([sequences[origin], token[origin, rank][:, None]], dim=1)
    return sequences, scores


# %% wrong beam_search: asks the model for each sequence alone
@torch.no_grad()
def beam_search(log_probabilities, prompt, width, steps):
    sequences, scores = prompt[None], torch.zeros(1)
    for _ in range(steps):
        said = torch.cat([log_probabilities(sequence[None]) for sequence in sequences])
        extended = scores[:, None] + said
        scores, chosen = extended.flatten().topk(min(width, extended.numel()))
        sequences = torch.cat([sequences[chosen // said.shape[1]], (chosen % said.shape[1])[:, None]], dim=1)
    return sequences, scores


# %% right beam_search: lists and a sort
@torch.no_grad()
def beam_search(log_probabilities, prompt, width, steps):
    kept = [(0.0, prompt.tolist())]
    for _ in range(steps):
        said = log_probabilities(torch.tensor([tokens for _, tokens in kept])).tolist()
        following = [
            (score + more, [*tokens, token])
            for (score, tokens), row in zip(kept, said)
            for token, more in enumerate(row)
        ]
        kept = sorted(following, reverse=True)[:width]
    return torch.tensor([tokens for _, tokens in kept]), torch.tensor([score for score, _ in kept])


# %% right beam_search: float64, a sort of all candidates, and unravelled indices
def beam_search(log_probabilities, prompt, width, steps):
    with torch.no_grad():
        sequences = prompt.unsqueeze(0)
        scores = torch.zeros(1, dtype=torch.float64)
        for _ in range(steps):
            table = scores.unsqueeze(1) + log_probabilities(sequences).double()
            order = table.reshape(-1).sort(descending=True).indices[:width]
            origin, token = torch.unravel_index(order, table.shape)
            scores = table[origin, token]
            sequences = torch.hstack([sequences.index_select(0, origin), token.unsqueeze(1)])
    return sequences, scores


# %% wrong cache: positions begin at 0 with every call
class Cache:
    def __init__(self, model, batch=1):
        sizes, like = model.config, model.tokens.weight
        shape = (sizes.layers, 2, batch, sizes.heads, sizes.block_size, sizes.width // sizes.heads)
        self.kept = torch.empty(shape, dtype=like.dtype)
        self.length = 0

    def extend(self, layer, key, value):
        end = self.length + key.shape[2]
        self.kept[layer, 0, :, :, self.length : end] = key
        self.kept[layer, 1, :, :, self.length : end] = value
        return self.kept[layer, :, :, :, :end]


@torch.no_grad()
def cached_logits(model, tokens, cache):
    x = model.embed(tokens)
    count, end = tokens.shape[1], cache.length + tokens.shape[1]
    mask = torch.ones(count, end, dtype=torch.bool).tril(cache.length)
    for layer, block in enumerate(model.blocks):
        query, key, value = block.attention.project(block.norm_1(x))
        keys, values = cache.extend(layer, key, value)
        mixed = F.scaled_dot_product_attention(query, keys, values, attn_mask=mask)
        x = x + block.attention.to_out(mixed.transpose(1, 2).flatten(2))
        x = x + block.feed_forward(block.norm_2(x))
    cache.length = end
    return model.unembed(x)


# %% wrong cache: is_causal with fewer queries than keys, so that one token sees key 0 alone
class Cache:
    def __init__(self, model, batch=1):
        sizes, like = model.config, model.tokens.weight
        shape = (sizes.layers, 2, batch, sizes.heads, sizes.block_size, sizes.width // sizes.heads)
        self.kept = torch.empty(shape, dtype=like.dtype)
        self.length = 0

    def extend(self, layer, key, value):
        end = self.length + key.shape[2]
        self.kept[layer, 0, :, :, self.length : end] = key
        self.kept[layer, 1, :, :, self.length : end] = value
        return self.kept[layer, :, :, :, :end]


@torch.no_grad()
def cached_logits(model, tokens, cache):
    x = model.embed(tokens, start=cache.length)
    for layer, block in enumerate(model.blocks):
        query, key, value = block.attention.project(block.norm_1(x))
        keys, values = cache.extend(layer, key, value)
        mixed = F.scaled_dot_product_attention(query, keys, values, is_causal=True)
        x = x + block.attention.to_out(mixed.transpose(1, 2).flatten(2))
        x = x + block.feed_forward(block.norm_2(x))
    cache.length += tokens.shape[1]
    return model.unembed(x)


# %% wrong cache: no mask at all, so that tokens of a prompt see later ones
class Cache:
    def __init__(self, model, batch=1):
        sizes, like = model.config, model.tokens.weight
        shape = (sizes.layers, 2, batch, sizes.heads, sizes.block_size, sizes.width // sizes.heads)
        self.kept = torch.empty(shape, dtype=like.dtype)
        self.length = 0

    def extend(self, layer, key, value):
        end = self.length + key.shape[2]
        self.kept[layer, 0, :, :, self.length : end] = key
        self.kept[layer, 1, :, :, self.length : end] = value
        return self.kept[layer, :, :, :, :end]


@torch.no_grad()
def cached_logits(model, tokens, cache):
    x = model.embed(tokens, start=cache.length)
    for layer, block in enumerate(model.blocks):
        query, key, value = block.attention.project(block.norm_1(x))
        keys, values = cache.extend(layer, key, value)
        mixed = F.scaled_dot_product_attention(query, keys, values)
        x = x + block.attention.to_out(mixed.transpose(1, 2).flatten(2))
        x = x + block.feed_forward(block.norm_2(x))
    cache.length += tokens.shape[1]
    return model.unembed(x)


# %% wrong cache: causal for a first prompt and for single tokens only, not for several that follow others
class Cache:
    def __init__(self, model, batch=1):
        sizes, like = model.config, model.tokens.weight
        shape = (sizes.layers, 2, batch, sizes.heads, sizes.block_size, sizes.width // sizes.heads)
        self.kept = torch.empty(shape, dtype=like.dtype)
        self.length = 0

    def extend(self, layer, key, value):
        end = self.length + key.shape[2]
        self.kept[layer, 0, :, :, self.length : end] = key
        self.kept[layer, 1, :, :, self.length : end] = value
        return self.kept[layer, :, :, :, :end]


@torch.no_grad()
def cached_logits(model, tokens, cache):
    x = model.embed(tokens, start=cache.length)
    for layer, block in enumerate(model.blocks):
        query, key, value = block.attention.project(block.norm_1(x))
        keys, values = cache.extend(layer, key, value)
        mixed = F.scaled_dot_product_attention(query, keys, values, is_causal=cache.length == 0)
        x = x + block.attention.to_out(mixed.transpose(1, 2).flatten(2))
        x = x + block.feed_forward(block.norm_2(x))
    cache.length += tokens.shape[1]
    return model.unembed(x)


# %% wrong cache: extend counts, so that each layer writes further along
class Cache:
    def __init__(self, model, batch=1):
        sizes, like = model.config, model.tokens.weight
        shape = (sizes.layers, 2, batch, sizes.heads, sizes.block_size * sizes.layers, sizes.width // sizes.heads)
        self.kept = torch.zeros(shape, dtype=like.dtype)
        self.length = 0

    def extend(self, layer, key, value):
        end = self.length + key.shape[2]
        self.kept[layer, 0, :, :, self.length : end] = key
        self.kept[layer, 1, :, :, self.length : end] = value
        self.length = end
        return self.kept[layer, :, :, :, :end]


@torch.no_grad()
def cached_logits(model, tokens, cache):
    x = model.embed(tokens, start=cache.length)
    for layer, block in enumerate(model.blocks):
        query, key, value = block.attention.project(block.norm_1(x))
        keys, values = cache.extend(layer, key, value)
        mixed = F.scaled_dot_product_attention(query, keys, values)
        x = x + block.attention.to_out(mixed.transpose(1, 2).flatten(2))
        x = x + block.feed_forward(block.norm_2(x))
    return model.unembed(x)


# %% wrong cache: right logits, but all tokens go through the layers each time
class Cache:
    def __init__(self, model, batch=1):
        sizes, like = model.config, model.tokens.weight
        shape = (sizes.layers, 2, batch, sizes.heads, sizes.block_size, sizes.width // sizes.heads)
        self.kept = torch.empty(shape, dtype=like.dtype)
        self.length = 0
        self.tokens = None

    def extend(self, layer, key, value):
        end = self.length + key.shape[2]
        self.kept[layer, 0, :, :, self.length : end] = key
        self.kept[layer, 1, :, :, self.length : end] = value
        return self.kept[layer, :, :, :, :end]


@torch.no_grad()
def cached_logits(model, tokens, cache):
    before = tokens[:, :0] if cache.tokens is None else cache.tokens[:, : cache.length]
    every = torch.cat([before, tokens], dim=1)
    logits = model(every)[:, before.shape[1] :]
    cache.tokens, cache.length = every, every.shape[1]
    return logits


# %% wrong cache: keys and values are taken before the norm
class Cache:
    def __init__(self, model, batch=1):
        sizes, like = model.config, model.tokens.weight
        shape = (sizes.layers, 2, batch, sizes.heads, sizes.block_size, sizes.width // sizes.heads)
        self.kept = torch.empty(shape, dtype=like.dtype)
        self.length = 0

    def extend(self, layer, key, value):
        end = self.length + key.shape[2]
        self.kept[layer, 0, :, :, self.length : end] = key
        self.kept[layer, 1, :, :, self.length : end] = value
        return self.kept[layer, :, :, :, :end]


@torch.no_grad()
def cached_logits(model, tokens, cache):
    x = model.embed(tokens, start=cache.length)
    count, end = tokens.shape[1], cache.length + tokens.shape[1]
    mask = torch.ones(count, end, dtype=torch.bool).tril(cache.length)
    for layer, block in enumerate(model.blocks):
        query, _, _ = block.attention.project(block.norm_1(x))
        _, key, value = block.attention.project(x)
        keys, values = cache.extend(layer, key, value)
        mixed = F.scaled_dot_product_attention(query, keys, values, attn_mask=mask)
        x = x + block.attention.to_out(mixed.transpose(1, 2).flatten(2))
        x = x + block.feed_forward(block.norm_2(x))
    cache.length = end
    return model.unembed(x)


# %% wrong cache: counts before the model can refuse
class Cache:
    def __init__(self, model, batch=1):
        sizes, like = model.config, model.tokens.weight
        shape = (sizes.layers, 2, batch, sizes.heads, sizes.block_size, sizes.width // sizes.heads)
        self.kept = torch.empty(shape, dtype=like.dtype)
        self.length = 0

    def extend(self, layer, key, value):
        end = self.length + key.shape[2]
        self.kept[layer, 0, :, :, self.length : end] = key
        self.kept[layer, 1, :, :, self.length : end] = value
        return self.kept[layer, :, :, :, :end]


@torch.no_grad()
def cached_logits(model, tokens, cache):
    start = cache.length
    cache.length += tokens.shape[1]
    x = model.embed(tokens, start=start)
    mask = torch.ones(tokens.shape[1], cache.length, dtype=torch.bool).tril(start)
    cache.length = start
    for layer, block in enumerate(model.blocks):
        query, key, value = block.attention.project(block.norm_1(x))
        keys, values = cache.extend(layer, key, value)
        mixed = F.scaled_dot_product_attention(query, keys, values, attn_mask=mask)
        x = x + block.attention.to_out(mixed.transpose(1, 2).flatten(2))
        x = x + block.feed_forward(block.norm_2(x))
    cache.length = start + tokens.shape[1]
    return model.unembed(x)


# %% wrong cache: grows lists, and cannot go back
class Cache:
    def __init__(self, model, batch=1):
        self.parts = [[] for _ in range(model.config.layers)]
        self.length = 0

    def extend(self, layer, key, value):
        self.parts[layer].append(torch.stack([key, value]))
        return torch.cat(self.parts[layer], dim=3)


@torch.no_grad()
def cached_logits(model, tokens, cache):
    x = model.embed(tokens, start=cache.length)
    count, end = tokens.shape[1], cache.length + tokens.shape[1]
    for layer, block in enumerate(model.blocks):
        query, key, value = block.attention.project(block.norm_1(x))
        keys, values = cache.extend(layer, key, value)
        mask = torch.ones(count, keys.shape[2], dtype=torch.bool).tril(keys.shape[2] - count)
        mixed = F.scaled_dot_product_attention(query, keys, values, attn_mask=mask)
        x = x + block.attention.to_out(mixed.transpose(1, 2).flatten(2))
        x = x + block.feed_forward(block.norm_2(x))
    cache.length = end
    return model.unembed(x)


# %% wrong cache: one buffer for all caches of the course
class Cache:
    shared = {}

    def __init__(self, model, batch=1):
        sizes, like = model.config, model.tokens.weight
        shape = (sizes.layers, 2, batch, sizes.heads, sizes.block_size, sizes.width // sizes.heads)
        self.kept = Cache.shared.setdefault(shape, torch.empty(shape, dtype=like.dtype))
        self.length = 0

    def extend(self, layer, key, value):
        end = self.length + key.shape[2]
        self.kept[layer, 0, :, :, self.length : end] = key
        self.kept[layer, 1, :, :, self.length : end] = value
        return self.kept[layer, :, :, :, :end]


@torch.no_grad()
def cached_logits(model, tokens, cache):
    x = model.embed(tokens, start=cache.length)
    count, end = tokens.shape[1], cache.length + tokens.shape[1]
    mask = torch.ones(count, end, dtype=torch.bool).tril(cache.length)
    for layer, block in enumerate(model.blocks):
        query, key, value = block.attention.project(block.norm_1(x))
        keys, values = cache.extend(layer, key, value)
        mixed = F.scaled_dot_product_attention(query, keys, values, attn_mask=mask)
        x = x + block.attention.to_out(mixed.transpose(1, 2).flatten(2))
        x = x + block.feed_forward(block.norm_2(x))
    cache.length = end
    return model.unembed(x)


# %% right cache: concatenates what is kept, cut to the length, and attends by hand
class Cache:
    def __init__(self, model, batch=1):
        self.kept = [None] * model.config.layers
        self.length = 0

    def extend(self, layer, key, value):
        new = torch.stack([key, value])
        old = self.kept[layer]
        self.kept[layer] = new if old is None else torch.cat([old[..., : self.length, :], new], dim=-2)
        return self.kept[layer]


@torch.no_grad()
def cached_logits(model, tokens, cache):
    start, count = cache.length, tokens.shape[1]
    x = model.embed(tokens, start)
    for layer, block in enumerate(model.blocks):
        query, key, value = block.attention.project(block.norm_1(x))
        both = cache.extend(layer, key, value)
        scores = query @ both[0].mT / math.sqrt(query.shape[-1])
        later = torch.arange(start + count) > torch.arange(start, start + count)[:, None]
        mixed = scores.masked_fill(later, -math.inf).softmax(-1) @ both[1]
        x = x + block.attention.to_out(torch.cat(mixed.unbind(1), dim=-1))
        x = x + block.feed_forward(block.norm_2(x))
    cache.length = start + count
    return model.unembed(x)


# %% right cache: copies into the buffer, and takes the new tokens one by one
class Cache:
    def __init__(self, model, batch=1):
        sizes, like = model.config, model.tokens.weight
        shape = (sizes.layers, 2, batch, sizes.heads, sizes.block_size, sizes.width // sizes.heads)
        self.kept = torch.empty(shape, device=like.device, dtype=like.dtype)
        self.length = 0

    def extend(self, layer, key, value):
        count = key.shape[-2]
        self.kept[layer].narrow(-2, self.length, count).copy_(torch.stack((key, value)))
        return self.kept[layer].narrow(-2, 0, self.length + count)


def cached_logits(model, tokens, cache):
    if cache.length + tokens.shape[1] > model.config.block_size:
        raise ValueError(f"{cache.length + tokens.shape[1]} tokens are more than {model.config.block_size}")
    said = []
    with torch.no_grad():
        for token in tokens.split(1, dim=1):
            x = model.embed(token, start=cache.length)
            for layer, block in enumerate(model.blocks):
                query, key, value = block.attention.project(block.norm_1(x))
                keys, values = cache.extend(layer, key, value)
                x = x + block.attention.to_out(
                    F.scaled_dot_product_attention(query, keys, values).transpose(1, 2).reshape(x.shape)
                )
                x = x + block.feed_forward(block.norm_2(x))
            cache.length += 1
            said.append(model.unembed(x))
    return torch.cat(said, dim=1)


# %% wrong own: never looks at the block size
class Own:
    def __init__(self, model, tokenizer):
        self.model, self.device = model, model.tokens.weight.device
        self.encode, self.decode = tokenizer.encode, tokenizer.decode
        self.tokens = []
        self.cache = Cache(model)

    def read(self, tokens):
        self.tokens += tokens
        return cached_logits(self.model, torch.tensor([tokens]), self.cache)[0, -1]

    def ends(self, token):
        return False


# %% wrong own: starts again one token too early
class Own:
    def __init__(self, model, tokenizer):
        self.model, self.device = model, model.tokens.weight.device
        self.encode, self.decode = tokenizer.encode, tokenizer.decode
        self.tokens = []
        self.cache = Cache(model)

    def read(self, tokens):
        size = self.model.config.block_size
        if len(self.tokens) + len(tokens) >= size:
            tokens = [*self.tokens, *tokens][-(size // 2) :]
            self.tokens, self.cache = [], Cache(self.model)
        self.tokens += tokens
        return cached_logits(self.model, torch.tensor([tokens]), self.cache)[0, -1]

    def ends(self, token):
        return False


# %% wrong own: forgets everything but the new tokens
class Own:
    def __init__(self, model, tokenizer):
        self.model, self.device = model, model.tokens.weight.device
        self.encode, self.decode = tokenizer.encode, tokenizer.decode
        self.tokens = []
        self.cache = Cache(model)

    def read(self, tokens):
        size = self.model.config.block_size
        if len(self.tokens) + len(tokens) > size:
            self.tokens, self.cache = [], Cache(self.model)
            tokens = tokens[-(size // 2) :]
        self.tokens += tokens
        return cached_logits(self.model, torch.tensor([tokens]), self.cache)[0, -1]

    def ends(self, token):
        return False


# %% wrong own: keeps a whole block, and reads it again at every step
class Own:
    def __init__(self, model, tokenizer):
        self.model, self.device = model, model.tokens.weight.device
        self.encode, self.decode = tokenizer.encode, tokenizer.decode
        self.tokens = []
        self.cache = Cache(model)

    def read(self, tokens):
        size = self.model.config.block_size
        if len(self.tokens) + len(tokens) > size:
            tokens = [*self.tokens, *tokens][-size:]
            self.tokens, self.cache = [], Cache(self.model)
        self.tokens += tokens
        return cached_logits(self.model, torch.tensor([tokens]), self.cache)[0, -1]

    def ends(self, token):
        return False


# %% wrong own: keeps the first half of the block
class Own:
    def __init__(self, model, tokenizer):
        self.model, self.device = model, model.tokens.weight.device
        self.encode, self.decode = tokenizer.encode, tokenizer.decode
        self.tokens = []
        self.cache = Cache(model)

    def read(self, tokens):
        size = self.model.config.block_size
        if len(self.tokens) + len(tokens) > size:
            tokens = [*self.tokens[: size // 2 - 1], *tokens][-(size // 2) :]
            self.tokens, self.cache = [], Cache(self.model)
        self.tokens += tokens
        return cached_logits(self.model, torch.tensor([tokens]), self.cache)[0, -1]

    def ends(self, token):
        return False


# %% wrong own: half of the tokens there are, which a long prompt makes too many or too few
class Own:
    def __init__(self, model, tokenizer):
        self.model, self.device = model, model.tokens.weight.device
        self.encode, self.decode = tokenizer.encode, tokenizer.decode
        self.tokens = []
        self.cache = Cache(model)

    def read(self, tokens):
        size = self.model.config.block_size
        while len(self.tokens) + len(tokens) > size:
            every = [*self.tokens, *tokens]
            tokens = every[-(len(every) // 2) :]
            self.tokens, self.cache = [], Cache(self.model)
        self.tokens += tokens
        return cached_logits(self.model, torch.tensor([tokens]), self.cache)[0, -1]

    def ends(self, token):
        return False


# %% wrong own: moves the cache along without reading again, so that keys have old positions
class Own:
    def __init__(self, model, tokenizer):
        self.model, self.device = model, model.tokens.weight.device
        self.encode, self.decode = tokenizer.encode, tokenizer.decode
        self.tokens = []
        self.cache = Cache(model)

    def read(self, tokens):
        size = self.model.config.block_size
        half = size // 2
        if len(tokens) > size:
            tokens = tokens[-half:]
            self.tokens, self.cache = [], Cache(self.model)
        elif len(self.tokens) + len(tokens) > size:
            keep = half - len(tokens)
            self.cache.kept[..., :keep, :] = self.cache.kept[..., self.cache.length - keep : self.cache.length, :].clone()
            self.cache.length, self.tokens = keep, self.tokens[-keep:]
        self.tokens = [*self.tokens, *tokens]
        return cached_logits(self.model, torch.tensor([tokens]), self.cache)[0, -1]

    def ends(self, token):
        return False


# %% wrong own: reads everything again at every step
class Own:
    def __init__(self, model, tokenizer):
        self.model, self.device = model, model.tokens.weight.device
        self.encode, self.decode = tokenizer.encode, tokenizer.decode
        self.tokens = []
        self.cache = Cache(model)

    def read(self, tokens):
        size = self.model.config.block_size
        every = [*self.tokens, *tokens]
        self.tokens = every if len(every) <= size else every[-(size // 2) :]
        self.cache = Cache(self.model)
        return cached_logits(self.model, torch.tensor([self.tokens]), self.cache)[0, -1]

    def ends(self, token):
        return False


# %% wrong own: adds to the list that was given
class Own:
    def __init__(self, model, tokenizer):
        self.model, self.device = model, model.tokens.weight.device
        self.encode, self.decode = tokenizer.encode, tokenizer.decode
        self.tokens = []
        self.cache = Cache(model)

    def read(self, tokens):
        size = self.model.config.block_size
        if not self.tokens:
            self.tokens = tokens
            if len(tokens) > size:
                del tokens[: len(tokens) - size // 2]
            new = list(tokens)
        elif len(self.tokens) + len(tokens) > size:
            new = [*self.tokens, *tokens][-(size // 2) :]
            self.tokens, self.cache = list(new), Cache(self.model)
        else:
            new = list(tokens)
            self.tokens += new
        return cached_logits(self.model, torch.tensor([new]), self.cache)[0, -1]

    def ends(self, token):
        return False


# %% right own: asks the cache, and goes back to length 0 instead of making another
class Own:
    def __init__(self, model, tokenizer):
        self.model, self.device = model, model.tokens.weight.device
        self.encode, self.decode = tokenizer.encode, tokenizer.decode
        self.tokens = []
        self.cache = Cache(model)

    def read(self, tokens):
        every = list(self.tokens) + list(tokens)
        fits = len(every) <= self.model.config.block_size
        if not fits:
            every = every[len(every) - self.model.config.block_size // 2 :]
            self.cache.length = 0
        new = every[self.cache.length :]
        self.tokens = every
        logits = cached_logits(self.model, torch.tensor(new).unsqueeze(0), self.cache)
        return logits[0][-1]

    def ends(self, token):
        return False


# %% right own: counts what the cache has left, and reads with a tensor of what is to be read
class Own:
    def __init__(self, model, tokenizer):
        self.model, self.device = model, model.tokens.weight.device
        self.encode, self.decode = tokenizer.encode, tokenizer.decode
        self.tokens = []
        self.cache = Cache(model)

    def read(self, tokens):
        limit = self.model.config.block_size
        new = torch.tensor(tokens, dtype=torch.long, device=self.device)
        if limit - self.cache.length < len(new):
            past = torch.tensor(self.tokens, dtype=torch.long, device=self.device)
            new = torch.cat([past, new])[-(limit // 2) :]
            self.tokens = []
            self.cache = Cache(self.model)
        self.tokens.extend(new.tolist())
        return cached_logits(self.model, new.view(1, -1), self.cache).squeeze(0)[-1].cpu()

    def ends(self, token):
        return False


# %% wrong stops: the first stop of the list, not of the text
def first_stop(text, stops):
    for stop in stops:
        if stop in text:
            return text.index(stop)
    return None


def held_back(text, stops):
    whole = text.rstrip("\N{REPLACEMENT CHARACTER}")
    begun = (n for stop in stops for n in range(1, len(stop)) if whole.endswith(stop[:n]))
    return len(text) - len(whole) + max(begun, default=0)


# %% wrong stops: where a stop ends counts
def first_stop(text, stops):
    found = [(text.find(stop) + len(stop), text.find(stop)) for stop in stops if stop in text]
    return min(found)[1] if found else None


def held_back(text, stops):
    whole = text.rstrip("\N{REPLACEMENT CHARACTER}")
    begun = (n for stop in stops for n in range(1, len(stop)) if whole.endswith(stop[:n]))
    return len(text) - len(whole) + max(begun, default=0)


# %% wrong stops: the shortest beginning of a stop
def first_stop(text, stops):
    return min((text.find(stop) for stop in stops if stop in text), default=None)


def held_back(text, stops):
    whole = text.rstrip("\N{REPLACEMENT CHARACTER}")
    begun = (n for stop in stops for n in range(1, len(stop)) if whole.endswith(stop[:n]))
    return len(text) - len(whole) + min(begun, default=0)


# %% wrong stops: always holds back as much as the longest stop could need
def first_stop(text, stops):
    return min((text.find(stop) for stop in stops if stop in text), default=None)


def held_back(text, stops):
    whole = text.rstrip("\N{REPLACEMENT CHARACTER}")
    most = max((len(stop) - 1 for stop in stops), default=0)
    return len(text) - len(whole) + min(most, len(whole))


# %% wrong stops: does not look for unfinished characters
def first_stop(text, stops):
    return min((text.find(stop) for stop in stops if stop in text), default=None)


def held_back(text, stops):
    return max((n for stop in stops for n in range(1, len(stop)) if text.endswith(stop[:n])), default=0)


# %% wrong stops: the larger of the two, so that a stop that goes on with an unfinished character is shown
def first_stop(text, stops):
    return min((text.find(stop) for stop in stops if stop in text), default=None)


def held_back(text, stops):
    unfinished = len(text) - len(text.rstrip("\N{REPLACEMENT CHARACTER}"))
    begun = (n for stop in stops for n in range(1, len(stop)) if text.endswith(stop[:n]))
    return max(unfinished, *begun, 0)


# %% wrong stops: counts unfinished characters anywhere
def first_stop(text, stops):
    return min((text.find(stop) for stop in stops if stop in text), default=None)


def held_back(text, stops):
    broken = text.count("\N{REPLACEMENT CHARACTER}")
    whole = text.rstrip("\N{REPLACEMENT CHARACTER}")
    begun = (n for stop in stops for n in range(1, len(stop)) if whole.endswith(stop[:n]))
    return broken + max(begun, default=0)


# %% wrong stops: only the last place where the first letter of the stop stands
def first_stop(text, stops):
    return min((text.find(stop) for stop in stops if stop in text), default=None)


def held_back(text, stops):
    whole = text.rstrip("\N{REPLACEMENT CHARACTER}")
    most = 0
    for stop in stops:
        at = whole.rfind(stop[0])
        if at >= 0 and len(stop) > 1 and stop.startswith(whole[at:]):
            most = max(most, len(whole) - at)
    return len(text) - len(whole) + most


# %% wrong stops: only the first stop of the list is held back
def first_stop(text, stops):
    return min((text.find(stop) for stop in stops if stop in text), default=None)


def held_back(text, stops):
    whole = text.rstrip("\N{REPLACEMENT CHARACTER}")
    for stop in stops:
        for n in range(len(stop) - 1, 0, -1):
            if whole.endswith(stop[:n]):
                return len(text) - len(whole) + n
    return len(text) - len(whole)


# %% wrong stops: −1 where there is none
def first_stop(text, stops):
    return min((text.find(stop) for stop in stops), default=-1)


def held_back(text, stops):
    whole = text.rstrip("\N{REPLACEMENT CHARACTER}")
    begun = (n for stop in stops for n in range(1, len(stop)) if whole.endswith(stop[:n]))
    return len(text) - len(whole) + max(begun, default=0)


# %% right stops: regular expressions
def first_stop(text, stops):
    if not stops:
        return None
    found = re.search("|".join(re.escape(stop) for stop in stops), text)
    return found.start() if found else None


def held_back(text, stops):
    count = len(re.search("\N{REPLACEMENT CHARACTER}*$", text)[0]) if text else 0
    whole = text[: len(text) - count]
    for at in range(len(whole)):
        if any(len(stop) > len(whole) - at and stop.startswith(whole[at:]) for stop in stops):
            return len(text) - at
    return count


# %% right stops: loops that go from long to short
def first_stop(text, stops):
    best = None
    for stop in stops:
        at = text.find(stop)
        if at != -1 and (best is None or at < best):
            best = at
    return best


def held_back(text, stops):
    end = len(text)
    while end and text[end - 1] == "\ufffd":
        end -= 1
    for n in range(min(end, max(map(len, stops), default=0)), 0, -1):
        if any(n < len(stop) and text[end - n : end] == stop[:n] for stop in stops):
            return len(text) - end + n
    return len(text) - end


# %% wrong stream: compares whole tokens with the stop sequence
def stream(model, prompt, sampling, max_tokens, stops=(), seed=0):
    generator, tokens, text, shown = torch.Generator().manual_seed(seed), [], "", 0
    seen = model.encode(prompt)
    logits = model.read(seen)
    for count in range(1, max_tokens + 1):
        token = sampling(logits, [*seen, *tokens], generator)
        if model.ends(token) or model.decode([token]) in stops:
            break
        tokens.append(token)
        text = model.decode(tokens)
        safe = len(text) - held_back(text, stops)
        yield text[shown:safe]
        shown = max(shown, safe)
        if count < max_tokens:
            logits = model.read([token])
    yield text[shown:]


# %% wrong stream: shows the beginning of a stop sequence
def stream(model, prompt, sampling, max_tokens, stops=(), seed=0):
    generator, tokens, text, shown = torch.Generator().manual_seed(seed), [], "", 0
    seen = model.encode(prompt)
    logits = model.read(seen)
    for count in range(1, max_tokens + 1):
        token = sampling(logits, [*seen, *tokens], generator)
        if model.ends(token):
            break
        tokens.append(token)
        text = model.decode(tokens)
        if (end := first_stop(text, stops)) is not None:
            yield text[shown:end]
            return
        safe = len(text) - held_back(text, [])
        yield text[shown:safe]
        shown = safe
        if count < max_tokens:
            logits = model.read([token])
    yield text[shown:]


# %% wrong stream: the stop sequence is shown too
def stream(model, prompt, sampling, max_tokens, stops=(), seed=0):
    generator, tokens, text, shown = torch.Generator().manual_seed(seed), [], "", 0
    seen = model.encode(prompt)
    logits = model.read(seen)
    for count in range(1, max_tokens + 1):
        token = sampling(logits, [*seen, *tokens], generator)
        if model.ends(token):
            break
        tokens.append(token)
        text = model.decode(tokens)
        if first_stop(text, stops) is not None:
            break
        safe = len(text) - held_back(text, stops)
        yield text[shown:safe]
        shown = safe
        if count < max_tokens:
            logits = model.read([token])
    yield text[shown:]


# %% wrong stream: what is held back at the end is lost
def stream(model, prompt, sampling, max_tokens, stops=(), seed=0):
    generator, tokens, text, shown = torch.Generator().manual_seed(seed), [], "", 0
    seen = model.encode(prompt)
    logits = model.read(seen)
    for count in range(1, max_tokens + 1):
        token = sampling(logits, [*seen, *tokens], generator)
        if model.ends(token):
            break
        tokens.append(token)
        text = model.decode(tokens)
        if (end := first_stop(text, stops)) is not None:
            yield text[shown:end]
            return
        safe = len(text) - held_back(text, stops)
        yield text[shown:safe]
        shown = safe
        if count < max_tokens:
            logits = model.read([token])


# %% wrong stream: decodes each token alone
def stream(model, prompt, sampling, max_tokens, stops=(), seed=0):
    generator, tokens, text, shown = torch.Generator().manual_seed(seed), [], "", 0
    seen = model.encode(prompt)
    logits = model.read(seen)
    for count in range(1, max_tokens + 1):
        token = sampling(logits, [*seen, *tokens], generator)
        if model.ends(token):
            break
        tokens.append(token)
        text += model.decode([token])
        if (end := first_stop(text, stops)) is not None:
            yield text[shown:end]
            return
        safe = len(text) - held_back(text, stops)
        yield text[shown:safe]
        shown = safe
        if count < max_tokens:
            logits = model.read([token])
    yield text[shown:]


# %% wrong stream: one token too many
def stream(model, prompt, sampling, max_tokens, stops=(), seed=0):
    generator, tokens, text, shown = torch.Generator().manual_seed(seed), [], "", 0
    seen = model.encode(prompt)
    logits = model.read(seen)
    for count in range(max_tokens + 1):
        token = sampling(logits, [*seen, *tokens], generator)
        if model.ends(token):
            break
        tokens.append(token)
        text = model.decode(tokens)
        if (end := first_stop(text, stops)) is not None:
            yield text[shown:end]
            return
        safe = len(text) - held_back(text, stops)
        yield text[shown:safe]
        shown = safe
        if count < max_tokens:
            logits = model.read([token])
    yield text[shown:]


# %% wrong stream: everything at once, at the end
def stream(model, prompt, sampling, max_tokens, stops=(), seed=0):
    generator, tokens, text = torch.Generator().manual_seed(seed), [], ""
    seen = model.encode(prompt)
    logits = model.read(seen)
    for count in range(1, max_tokens + 1):
        token = sampling(logits, [*seen, *tokens], generator)
        if model.ends(token):
            break
        tokens.append(token)
        text = model.decode(tokens)
        if (end := first_stop(text, stops)) is not None:
            text = text[:end]
            break
        if count < max_tokens:
            logits = model.read([token])
    yield text


# %% wrong stream: sampling is told of the new tokens only
def stream(model, prompt, sampling, max_tokens, stops=(), seed=0):
    generator, tokens, text, shown = torch.Generator().manual_seed(seed), [], "", 0
    logits = model.read(model.encode(prompt))
    for count in range(1, max_tokens + 1):
        token = sampling(logits, list(tokens), generator)
        if model.ends(token):
            break
        tokens.append(token)
        text = model.decode(tokens)
        if (end := first_stop(text, stops)) is not None:
            yield text[shown:end]
            return
        safe = len(text) - held_back(text, stops)
        yield text[shown:safe]
        shown = safe
        if count < max_tokens:
            logits = model.read([token])
    yield text[shown:]


# %% wrong stream: the end token is shown
def stream(model, prompt, sampling, max_tokens, stops=(), seed=0):
    generator, tokens, text, shown = torch.Generator().manual_seed(seed), [], "", 0
    seen = model.encode(prompt)
    logits = model.read(seen)
    for count in range(1, max_tokens + 1):
        token = sampling(logits, [*seen, *tokens], generator)
        tokens.append(token)
        text = model.decode(tokens)
        if model.ends(token):
            break
        if (end := first_stop(text, stops)) is not None:
            yield text[shown:end]
            return
        safe = len(text) - held_back(text, stops)
        yield text[shown:safe]
        shown = safe
        if count < max_tokens:
            logits = model.read([token])
    yield text[shown:]


# %% wrong stream: reads all tokens again at each step
def stream(model, prompt, sampling, max_tokens, stops=(), seed=0):
    generator, tokens, text, shown = torch.Generator().manual_seed(seed), [], "", 0
    seen = model.encode(prompt)
    logits = model.read(seen)
    for count in range(1, max_tokens + 1):
        token = sampling(logits, [*seen, *tokens], generator)
        if model.ends(token):
            break
        tokens.append(token)
        text = model.decode(tokens)
        if (end := first_stop(text, stops)) is not None:
            yield text[shown:end]
            return
        safe = len(text) - held_back(text, stops)
        yield text[shown:safe]
        shown = safe
        if count < max_tokens:
            logits = model.read([*seen, *tokens])
    yield text[shown:]


# %% wrong stream: reads the last token too
def stream(model, prompt, sampling, max_tokens, stops=(), seed=0):
    generator, tokens, text, shown = torch.Generator().manual_seed(seed), [], "", 0
    seen = model.encode(prompt)
    logits = model.read(seen)
    for _ in range(max_tokens):
        token = sampling(logits, [*seen, *tokens], generator)
        if model.ends(token):
            break
        tokens.append(token)
        text = model.decode(tokens)
        if (end := first_stop(text, stops)) is not None:
            yield text[shown:end]
            return
        safe = len(text) - held_back(text, stops)
        yield text[shown:safe]
        shown = safe
        logits = model.read([token])
    yield text[shown:]


# %% wrong stream: the prompt is searched for stop sequences too
def stream(model, prompt, sampling, max_tokens, stops=(), seed=0):
    generator, tokens, text = torch.Generator().manual_seed(seed), [], prompt
    seen = model.encode(prompt)
    logits, shown = model.read(seen), len(prompt)
    for count in range(1, max_tokens + 1):
        token = sampling(logits, [*seen, *tokens], generator)
        if model.ends(token):
            break
        tokens.append(token)
        text = prompt + model.decode(tokens)
        if (end := first_stop(text, stops)) is not None:
            yield text[shown : max(shown, end)]
            return
        safe = max(shown, len(text) - held_back(text, stops))
        yield text[shown:safe]
        shown = safe
        if count < max_tokens:
            logits = model.read([token])
    yield text[shown:]


# %% wrong stream: seeds PyTorch's global state
def stream(model, prompt, sampling, max_tokens, stops=(), seed=0):
    generator, tokens, text, shown = torch.manual_seed(seed), [], "", 0
    seen = model.encode(prompt)
    logits = model.read(seen)
    for count in range(1, max_tokens + 1):
        token = sampling(logits, [*seen, *tokens], generator)
        if model.ends(token):
            break
        tokens.append(token)
        text = model.decode(tokens)
        if (end := first_stop(text, stops)) is not None:
            yield text[shown:end]
            return
        safe = len(text) - held_back(text, stops)
        yield text[shown:safe]
        shown = safe
        if count < max_tokens:
            logits = model.read([token])
    yield text[shown:]


# %% wrong stream: a new generator for each token
def stream(model, prompt, sampling, max_tokens, stops=(), seed=0):
    tokens, text, shown = [], "", 0
    seen = model.encode(prompt)
    logits = model.read(seen)
    for count in range(1, max_tokens + 1):
        token = sampling(logits, [*seen, *tokens], torch.Generator().manual_seed(seed))
        if model.ends(token):
            break
        tokens.append(token)
        text = model.decode(tokens)
        if (end := first_stop(text, stops)) is not None:
            yield text[shown:end]
            return
        safe = len(text) - held_back(text, stops)
        yield text[shown:safe]
        shown = safe
        if count < max_tokens:
            logits = model.read([token])
    yield text[shown:]


# %% right stream: a buffer of what is not yet shown, and reading at the head of the loop
def stream(model, prompt, sampling, max_tokens, stops=(), seed=0):
    randomness = torch.Generator()
    randomness.manual_seed(seed)
    history = list(model.encode(prompt))
    start = len(history)
    unread = history[:]
    given = ""
    while len(history) - start < max_tokens:
        token = int(sampling(model.read(unread), list(history), randomness))
        if model.ends(token):
            break
        history.append(token)
        unread = [token]
        text = model.decode(history[start:])
        at = first_stop(text, stops)
        certain = text[:at] if at is not None else text[: len(text) - held_back(text, stops)]
        piece, given = certain[len(given) :], max(given, certain, key=len)
        if piece:
            yield piece
        if at is not None:
            return
    rest = model.decode(history[start:])[len(given) :]
    if rest:
        yield rest


# %% right stream: an inner generator of texts, character by character to the outside
def stream(model, prompt, sampling, max_tokens, stops=(), seed=0):
    def growing():
        """Pairs: the text so far, and how much of it is certain."""
        generator = torch.Generator().manual_seed(seed)
        before, new, text = model.encode(prompt), [], ""
        logits = model.read(before)
        for left in reversed(range(max_tokens)):
            new.append(sampling(logits, before + new, generator))
            if model.ends(new[-1]):
                break
            text = model.decode(new)
            end = first_stop(text, stops)
            if end is not None:
                yield text, end
                return
            yield text, len(text) - held_back(text, stops)
            if left:
                logits = model.read(new[-1:])
        yield text, len(text)

    shown = 0
    for text, certain in growing():
        while shown < certain:
            yield text[shown]
            shown += 1


# %% wrong options: nan passes, since every comparison with it is false
def between(least, most, kind=float):
    def parse(text):
        try:
            value = kind(text)
        except ValueError:
            raise typer.BadParameter(f"{text} is no number from {least} to {most}") from None
        if value < least or value > most:
            raise typer.BadParameter(f"{text} is not from {least} to {most}")
        return value

    return parse


def unescaped(text):
    if not text or re.search(r"(?<!\\)(\\\\)*\\(?![ntr\\]|u[0-9a-fA-F]{4})", text):
        raise typer.BadParameter(f"{text!r} has an escape without meaning: {text}")
    table = {r"\n": "\n", r"\t": "\t", r"\r": "\r", r"\\": "\\"}
    return re.sub(r"\\(u....|.)", lambda m: table.get(m[0]) or chr(int(m[0][2:], 16)), text)


# %% wrong options: the ends are outside
def between(least, most, kind=float):
    def parse(text):
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not least < value < most:
            raise typer.BadParameter(f"{text} is no number from {least} to {most}")
        return value

    return parse


def unescaped(text):
    def meant(match):
        code = match[1]
        if len(code) == 5:
            return chr(int(code[1:], 16))
        if code not in ESCAPES:
            raise typer.BadParameter(f"{match[0]} has no meaning")
        return ESCAPES[code]

    if not text:
        raise typer.BadParameter("empty")
    return re.sub(r"\\(u[0-9a-fA-F]{4}|.|\Z)", meant, text, flags=re.DOTALL)


# %% wrong options: clamps in silence
def between(least, most, kind=float):
    def parse(text):
        try:
            return min(max(kind(text), least), most)
        except ValueError:
            raise typer.BadParameter(f"{text} is no number from {least} to {most}") from None

    return parse


def unescaped(text):
    def meant(match):
        code = match[1]
        if len(code) == 5:
            return chr(int(code[1:], 16))
        if code not in ESCAPES:
            raise typer.BadParameter(f"{match[0]} has no meaning")
        return ESCAPES[code]

    if not text:
        raise typer.BadParameter("empty")
    return re.sub(r"\\(u[0-9a-fA-F]{4}|.|\Z)", meant, text, flags=re.DOTALL)


# %% wrong options: whole numbers are cut from others
def between(least, most, kind=float):
    def parse(text):
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not least <= value <= most:
            raise typer.BadParameter(f"{text} is no number from {least} to {most}")
        return kind(value)

    return parse


def unescaped(text):
    def meant(match):
        code = match[1]
        if len(code) == 5:
            return chr(int(code[1:], 16))
        if code not in ESCAPES:
            raise typer.BadParameter(f"{match[0]} has no meaning")
        return ESCAPES[code]

    if not text:
        raise typer.BadParameter("empty")
    return re.sub(r"\\(u[0-9a-fA-F]{4}|.|\Z)", meant, text, flags=re.DOTALL)


# %% wrong options: replaces one escape after the other
def between(least, most, kind=float):
    def parse(text):
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not least <= value <= most:
            raise typer.BadParameter(f"{text} is no number from {least} to {most}")
        return value

    return parse


def unescaped(text):
    if not text:
        raise typer.BadParameter("empty")
    for code, character in ESCAPES.items():
        text = text.replace("\\" + code, character)
    return text


# %% wrong options: Python's own decoder, which mangles what is not ASCII and lets unknown escapes pass
def between(least, most, kind=float):
    def parse(text):
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not least <= value <= most:
            raise typer.BadParameter(f"{text} is no number from {least} to {most}")
        return value

    return parse


def unescaped(text):
    if not text or re.search(r"(?<!\\)(\\\\)*\\(?![ntr\\]|u[0-9a-fA-F]{4})", text):
        raise typer.BadParameter(f"{text} has no meaning")
    return text.encode("utf-8").decode("unicode_escape")


# %% wrong options: unknown escapes pass as they are
def between(least, most, kind=float):
    def parse(text):
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not least <= value <= most:
            raise typer.BadParameter(f"{text} is no number from {least} to {most}")
        return value

    return parse


def unescaped(text):
    if not text:
        raise typer.BadParameter("empty")

    def meant(match):
        code = match[1]
        return chr(int(code[1:], 16)) if len(code) == 5 else ESCAPES.get(code, match[0])

    return re.sub(r"\\(u[0-9a-fA-F]{4}|.)", meant, text, flags=re.DOTALL)


# %% wrong options: a backslash at the end passes
def between(least, most, kind=float):
    def parse(text):
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not least <= value <= most:
            raise typer.BadParameter(f"{text} is no number from {least} to {most}")
        return value

    return parse


def unescaped(text):
    def meant(match):
        code = match[1]
        if len(code) == 5:
            return chr(int(code[1:], 16))
        if code not in ESCAPES:
            raise typer.BadParameter(f"{match[0]} has no meaning")
        return ESCAPES[code]

    if not text:
        raise typer.BadParameter("empty")
    return re.sub(r"\\(u[0-9a-fA-F]{4}|.)", meant, text, flags=re.DOTALL)


# %% wrong options: the message does not say the range
def between(least, most, kind=float):
    def parse(text):
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not least <= value <= most:
            raise typer.BadParameter(f"{text} is out of range")
        return value

    return parse


def unescaped(text):
    def meant(match):
        code = match[1]
        if len(code) == 5:
            return chr(int(code[1:], 16))
        if code not in ESCAPES:
            raise typer.BadParameter(f"{match[0]} has no meaning")
        return ESCAPES[code]

    if not text:
        raise typer.BadParameter("empty")
    return re.sub(r"\\(u[0-9a-fA-F]{4}|.|\Z)", meant, text, flags=re.DOTALL)


# %% wrong options: an empty stop sequence is accepted
def between(least, most, kind=float):
    def parse(text):
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not least <= value <= most:
            raise typer.BadParameter(f"{text} is no number from {least} to {most}")
        return value

    return parse


def unescaped(text):
    def meant(match):
        code = match[1]
        if len(code) == 5:
            return chr(int(code[1:], 16))
        if code not in ESCAPES:
            raise typer.BadParameter(f"{match[0]} has no meaning")
        return ESCAPES[code]

    return re.sub(r"\\(u[0-9a-fA-F]{4}|.|\Z)", meant, text, flags=re.DOTALL)


# %% right options: a walk over the characters
def between(least, most, kind=float):
    def parse(text):
        refusal = typer.BadParameter(f"{text!s}: write a number between {least} and {most}")
        try:
            value = kind(text)
        except ValueError:
            raise refusal from None
        if value != value or value < least or value > most:
            raise refusal
        return value

    return parse


def unescaped(text):
    if text == "":
        raise typer.BadParameter("nothing is there")
    result, at = "", 0
    while at < len(text):
        if text[at] != "\\":
            result, at = result + text[at], at + 1
            continue
        following = text[at + 1 : at + 2]
        if following and following in "ntr\\":
            result, at = result + {"n": "\n", "t": "\t", "r": "\r", "\\": "\\"}[following], at + 2
        elif following == "u" and re.fullmatch("[0-9a-fA-F]{4}", text[at + 2 : at + 6]):
            result, at = result + chr(int(text[at + 2 : at + 6], 16)), at + 6
        else:
            raise typer.BadParameter(f"what does \\{following} mean?")
    return result


# %% right options: pieces between escapes, from finditer
def between(least, most, kind=float):
    def parse(text):
        try:
            value = kind(text)
            if not (value >= least and value <= most):
                raise ValueError
        except ValueError:
            raise typer.BadParameter(f"expected {kind.__name__} in [{least}, {most}], got {text}") from None
        return value

    return parse


def unescaped(text):
    if len(text) == 0:
        raise typer.BadParameter("empty text")
    parts = []
    for piece in re.findall(r"\\u[0-9a-fA-F]{4}|\\[\s\S]?|[^\\]+", text):
        if not piece.startswith("\\"):
            parts.append(piece)
        elif piece[1:] in ("n", "t", "r", "\\"):
            parts.append(ESCAPES[piece[1:]])
        elif len(piece) == 6:
            parts.append(chr(int(piece[2:], 16)))
        else:
            raise typer.BadParameter(f"{piece} is no escape")
    return "".join(parts)


# %% right sampling: the temperature after top-k, which keeps the same tokens before and after
@dataclass(frozen=True)
class Sampling:
    penalty: float = 1.0
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0

    def __call__(self, logits, seen, generator):
        logits = nucleus(top(penalised(logits, seen, self.penalty) , self.top_k) / self.temperature, self.top_p)
        return torch.multinomial(logits.softmax(-1), 1, generator=generator).item()


# %% right stream: only the end of the text is searched for a stop sequence
def stream(model, prompt, sampling, max_tokens, stops=(), seed=0):
    generator, tokens, text, shown = torch.Generator().manual_seed(seed), [], "", 0
    seen = model.encode(prompt)
    logits = model.read(seen)
    for count in range(1, max_tokens + 1):
        token = sampling(logits, [*seen, *tokens], generator)
        if model.ends(token):
            break
        tokens.append(token)
        before, text = len(text), model.decode(tokens)
        longest = max(map(len, stops), default=0)
        begin = max(0, before - longest)
        if (end := first_stop(text[begin:], stops)) is not None:
            yield text[shown : begin + end]
            return
        safe = len(text) - held_back(text, stops)
        if safe > shown:
            yield text[shown:safe]
            shown = safe
        if count < max_tokens:
            logits = model.read([token])
    yield text[shown:]


# %% wrong options: four characters that int() can read, such as 0_1f, instead of four digits
def between(least, most, kind=float):
    def parse(text):
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not least <= value <= most:
            raise typer.BadParameter(f"{text} is not from {least:g} to {most:g}")
        return value

    return parse


def unescaped(text):
    def meant(match):
        code = match[1]
        try:
            return ESCAPES[code] if code in ESCAPES else chr(int(code[1:] if len(code) == 5 else "x", 16))
        except ValueError:
            raise typer.BadParameter(f"\\{code[:1]} means nothing") from None

    if not text:
        raise typer.BadParameter("nothing to stop at")
    return re.sub(r"\\(u.{4}|.|\Z)", meant, text, flags=re.DOTALL)


# %% right options: methods of text alone
def between(least, most, kind=float):
    def parse(text):
        typed = text.strip().lower()
        try:
            value = kind(typed)
        except ValueError:
            value = None
        if value is None or typed == "nan" or not (least <= value and value <= most):
            raise typer.BadParameter(f"{text!r} is not between {least:g} and {most:g}, both included")
        return value

    return parse


def unescaped(text):
    first, *rest = text.split("\\")
    made, rest = first, iter(rest)
    for part in rest:
        if part == "":  # an escaped backslash, or one at the end
            following = next(rest, None)
            if following is None:
                raise typer.BadParameter("a single \\ at the end")
            made += "\\" + following
        elif part[0] in "ntr":
            made += {"n": "\n", "t": "\t", "r": "\r"}[part[0]] + part[1:]
        elif part[0] == "u" and len(part) > 4 and all(digit in "0123456789abcdefABCDEF" for digit in part[1:5]):
            made += chr(int(part[1:5], 16)) + part[5:]
        else:
            raise typer.BadParameter(f"\\{part[0]} is not known")
    if not text:
        raise typer.BadParameter("an empty text")
    return made


# %% wrong filters: the threshold of top is that of the whole batch
def top(logits, count):
    if not 0 < count < logits.shape[-1]:
        return logits
    return logits.masked_fill(logits < logits.topk(count, dim=-1).values.min(), -torch.inf)


def nucleus(logits, share):
    if share >= 1:
        return logits
    ordered, order = logits.softmax(-1).sort(dim=-1, descending=True)
    dropped = ordered.cumsum(-1) - ordered >= share
    return logits.masked_fill(torch.zeros_like(dropped).scatter(-1, order, dropped), -torch.inf)


# %% wrong stops: takes off one unfinished character, though three bytes may be missing
def first_stop(text, stops):
    return min((text.find(stop) for stop in stops if stop in text), default=None)


def held_back(text, stops):
    whole = text.removesuffix("\N{REPLACEMENT CHARACTER}")
    begun = (n for stop in stops for n in range(1, len(stop)) if whole.endswith(stop[:n]))
    return len(text) - len(whole) + max(begun, default=0)


# %% right cache: two stacked slices of one buffer a layer, the mask from places
class Cache:
    def __init__(self, model, batch=1):
        sizes, like = model.config, model.tokens.weight
        room = (2, batch, sizes.heads, sizes.block_size, sizes.width // sizes.heads)
        self.kept = [like.new_zeros(room) for _ in range(sizes.layers)]
        self.length = 0

    def extend(self, layer, key, value):
        keys, values = self.kept[layer]
        end = self.length + key.shape[2]
        keys[:, :, self.length : end], values[:, :, self.length : end] = key, value
        return torch.stack([keys[:, :, :end], values[:, :, :end]])


def cached_logits(model, tokens, cache):
    with torch.no_grad():
        x = model.embed(tokens, cache.length)
        places = torch.arange(cache.length + tokens.shape[1], device=tokens.device)
        seen = places[None, :] <= places[cache.length :, None]
        for number, block in enumerate(model.blocks):
            query, key, value = block.attention.project(block.norm_1(x))
            both = cache.extend(number, key, value)
            mixed = F.scaled_dot_product_attention(query, both[0], both[1], attn_mask=seen)
            x = x + block.attention.to_out(mixed.permute(0, 2, 1, 3).flatten(-2))
            x = x + block.feed_forward(block.norm_2(x))
        cache.length += tokens.shape[1]
        return model.unembed(x)
