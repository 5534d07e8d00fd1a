# Answers to week 5 that its graders must tell apart. Each cell replaces the student's cell of that name.

# %% wrong rnn_cell: leaves out the state's bias
def rnn_cell(x, h, weights):
    w_ih, w_hh, b_ih, b_hh = weights
    return torch.tanh(x @ w_ih.T + b_ih + h @ w_hh.T)


# %% wrong rnn_cell: tanh around the input's part alone
def rnn_cell(x, h, weights):
    w_ih, w_hh, b_ih, b_hh = weights
    return torch.tanh(x @ w_ih.T + b_ih) + h @ w_hh.T + b_hh


# %% wrong rnn_cell: the state's matrix is not transposed
def rnn_cell(x, h, weights):
    w_ih, w_hh, b_ih, b_hh = weights
    return torch.tanh(x @ w_ih.T + b_ih + h @ w_hh + b_hh)


# %% wrong rnn_cell: adds the old state, as a residual network would
def rnn_cell(x, h, weights):
    w_ih, w_hh, b_ih, b_hh = weights
    return h + torch.tanh(x @ w_ih.T + b_ih + h @ w_hh.T + b_hh)


# %% wrong rnn_cell: writes the new state over the old one
def rnn_cell(x, h, weights):
    w_ih, w_hh, b_ih, b_hh = weights
    new = torch.tanh(x @ w_ih.T + b_ih + h @ w_hh.T + b_hh)
    h.copy_(new.detach())
    return new


# %% wrong rnn_cell: cuts the state off the graph
def rnn_cell(x, h, weights):
    return torch.tanh(F.linear(x, weights.w_ih, weights.b_ih) + F.linear(h.detach(), weights.w_hh, weights.b_hh))


# %% right rnn_cell: one fused matrix
def rnn_cell(x, h, weights):
    w_ih, w_hh, b_ih, b_hh = weights
    both, fused = torch.cat([x, h], dim=1), torch.cat([w_ih, w_hh], dim=1)
    return torch.einsum("bk,hk->bh", both, fused).add(b_ih + b_hh).tanh()


# %% right rnn_cell: torch's own kernel
def rnn_cell(x, h, weights):
    return torch.rnn_tanh_cell(x, h, *weights)


# %% right rnn_cell: einsum, and tanh by way of the sigmoid
def rnn_cell(x, h, weights):
    a = torch.einsum("bd,kd->bk", x, weights.w_ih) + torch.einsum("bj,kj->bk", h, weights.w_hh)
    a = a + weights.b_ih[None] + weights.b_hh[None]
    return 2 * torch.sigmoid(2 * a) - 1


# %% wrong unroll: detaches the state at every step, so nothing flows back through time
def unroll(cell, x, state):
    if x.shape[1] == 0:
        raise ValueError("no time step")
    outputs = []
    for t in range(x.shape[1]):
        state = cell(x[:, t], state)
        outputs.append(state[0] if isinstance(state, tuple) else state)
        state = tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()
    return torch.stack(outputs, dim=1), state


# %% wrong unroll: starts from zeros whatever state it is given
def unroll(cell, x, state):
    if x.shape[1] == 0:
        raise ValueError("no time step")
    state = tuple(torch.zeros_like(s) for s in state) if isinstance(state, tuple) else torch.zeros_like(state)
    outputs = []
    for t in range(x.shape[1]):
        state = cell(x[:, t], state)
        outputs.append(state[0] if isinstance(state, tuple) else state)
    return torch.stack(outputs, dim=1), state


# %% wrong unroll: returns c instead of h where the state is a tuple
def unroll(cell, x, state):
    if x.shape[1] == 0:
        raise ValueError("no time step")
    outputs = []
    for t in range(x.shape[1]):
        state = cell(x[:, t], state)
        outputs.append(state[-1] if isinstance(state, tuple) else state)
    return torch.stack(outputs, dim=1), state


# %% wrong unroll: returns h alone as the last state
def unroll(cell, x, state):
    if x.shape[1] == 0:
        raise ValueError("no time step")
    outputs = []
    for t in range(x.shape[1]):
        state = cell(x[:, t], state)
        outputs.append(state[0] if isinstance(state, tuple) else state)
    return torch.stack(outputs, dim=1), outputs[-1]


# %% wrong unroll: reads the sequence backwards
def unroll(cell, x, state):
    if x.shape[1] == 0:
        raise ValueError("no time step")
    outputs = []
    for t in reversed(range(x.shape[1])):
        state = cell(x[:, t], state)
        outputs.append(state[0] if isinstance(state, tuple) else state)
    return torch.stack(outputs, dim=1), state


# %% wrong unroll: every step starts from the first state
def unroll(cell, x, state):
    if x.shape[1] == 0:
        raise ValueError("no time step")
    outputs = []
    for t in range(x.shape[1]):
        last = cell(x[:, t], state)
        outputs.append(last[0] if isinstance(last, tuple) else last)
    return torch.stack(outputs, dim=1), last


# %% wrong unroll: returns the outputs as plain numbers
def unroll(cell, x, state):
    if x.shape[1] == 0:
        raise ValueError("no time step")
    outputs = []
    for t in range(x.shape[1]):
        state = cell(x[:, t], state)
        outputs.append((state[0] if isinstance(state, tuple) else state).detach())
    return torch.stack(outputs, dim=1), state


# %% wrong unroll: cuts the graph every 32 steps
def unroll(cell, x, state):
    if x.shape[1] == 0:
        raise ValueError("no step")
    hs = []
    for t in range(x.shape[1]):
        if t and t % 32 == 0:
            state = tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()
        state = cell(x[:, t], state)
        hs.append(state[0] if isinstance(state, tuple) else state)
    return torch.stack(hs, 1), state


# %% wrong unroll: the last state comes without its graph
def unroll(cell, x, state):
    if x.shape[1] == 0:
        raise ValueError("no step")
    hs = []
    for t in range(x.shape[1]):
        state = cell(x[:, t], state)
        hs.append(state[0] if isinstance(state, tuple) else state)
    return torch.stack(hs, 1), tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()


# %% wrong unroll: no gradient reaches the first state
def unroll(cell, x, state):
    if x.shape[1] == 0:
        raise ValueError("no step")
    state = tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()
    hs = []
    for t in range(x.shape[1]):
        state = cell(x[:, t], state)
        hs.append(state[0] if isinstance(state, tuple) else state)
    return torch.stack(hs, 1), state


# %% wrong unroll: calls the cell twice on the first step, to learn its shape
def unroll(cell, x, state):
    if x.shape[1] == 0:
        raise ValueError("no step")
    trial = cell(x[:, 0], state)
    first = trial[0] if isinstance(trial, tuple) else trial
    out = first.new_zeros(x.shape[0], x.shape[1], first.shape[1])
    for t in range(x.shape[1]):
        state = cell(x[:, t], state)
        out[:, t] = state[0] if isinstance(state, tuple) else state
    return out, state


# %% wrong unroll: knows tuples of two only
def unroll(cell, x, state):
    if x.shape[1] == 0:
        raise ValueError("no step")
    hs = []
    for t in range(x.shape[1]):
        state = cell(x[:, t], state)
        if isinstance(state, tuple):
            h, c = state
        else:
            h = state
        hs.append(h)
    return torch.stack(hs, 1), state


# %% wrong unroll: rebuilds the tuple: a named one loses its names
def unroll(cell, x, state):
    if x.shape[1] == 0:
        raise ValueError("no step")
    hs = []
    for t in range(x.shape[1]):
        state = cell(x[:, t], state)
        hs.append(state[0] if isinstance(state, tuple) else state)
    return torch.stack(hs, 1), tuple(state) if isinstance(state, tuple) else state


# %% wrong unroll: refuses a batch of no rows as well
def unroll(cell, x, state):
    if x.numel() == 0:
        raise ValueError("no step")
    hs = []
    for t in range(x.shape[1]):
        state = cell(x[:, t], state)
        hs.append(state[0] if isinstance(state, tuple) else state)
    return torch.stack(hs, 1), state


# %% right unroll: recursion on the rest of the sequence
def unroll(cell, x, state):
    if x.shape[1] == 0:
        raise ValueError("no time step")
    state = cell(x[:, 0], state)
    h = (state[0] if isinstance(state, tuple) else state).unsqueeze(1)
    if x.shape[1] == 1:
        return h, state
    rest, last = unroll(cell, x[:, 1:], state)
    return torch.cat([h, rest], dim=1), last


# %% right unroll: time first, turned round at the end
def unroll(cell, x, state):
    if not x.shape[1]:
        raise ValueError("x has no time step")
    states = [state]
    for x_t in x.unbind(1):
        states.append(cell(x_t, states[-1]))
    hs = [s if torch.is_tensor(s) else s[0] for s in states[1:]]
    return torch.stack(hs).transpose(0, 1), states[-1]


# %% right unroll: itertools.accumulate
def unroll(cell, x, state):
    if x.size(1) == 0:
        raise ValueError("no time step")
    trail = list(itertools.accumulate(x.unbind(1), lambda s, x_t: cell(x_t, s), initial=state))[1:]
    hs = [s[0] if isinstance(s, tuple) else s for s in trail]
    return torch.stack(hs, 1), trail[-1]


# %% wrong lstm_cell: gates in the order f, i, g, o
def lstm_cell(x, state, weights):
    h, c = state
    f, i, g, o = (x @ weights.w_ih.T + weights.b_ih + h @ weights.w_hh.T + weights.b_hh).chunk(4, -1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


# %% wrong lstm_cell: gates in the order i, f, o, g
def lstm_cell(x, state, weights):
    h, c = state
    i, f, o, g = (x @ weights.w_ih.T + weights.b_ih + h @ weights.w_hh.T + weights.b_hh).chunk(4, -1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


# %% wrong lstm_cell: forgets the state's bias
def lstm_cell(x, state, weights):
    h, c = state
    i, f, g, o = (x @ weights.w_ih.T + weights.b_ih + h @ weights.w_hh.T).chunk(4, -1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


# %% wrong lstm_cell: shows the old c
def lstm_cell(x, state, weights):
    h, c = state
    i, f, g, o = (x @ weights.w_ih.T + weights.b_ih + h @ weights.w_hh.T + weights.b_hh).chunk(4, -1)
    return o.sigmoid() * c.tanh(), f.sigmoid() * c + i.sigmoid() * g.tanh()


# %% wrong lstm_cell: no tanh on the way out
def lstm_cell(x, state, weights):
    h, c = state
    i, f, g, o = (x @ weights.w_ih.T + weights.b_ih + h @ weights.w_hh.T + weights.b_hh).chunk(4, -1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c, c


# %% wrong lstm_cell: couples the gates, 1 - f instead of i
def lstm_cell(x, state, weights):
    h, c = state
    i, f, g, o = (x @ weights.w_ih.T + weights.b_ih + h @ weights.w_hh.T + weights.b_hh).chunk(4, -1)
    c = f.sigmoid() * c + (1 - f.sigmoid()) * g.tanh()
    return o.sigmoid() * c.tanh(), c


# %% wrong lstm_cell: adds the forget bias of 1 inside the cell
def lstm_cell(x, state, weights):
    h, c = state
    i, f, g, o = (x @ weights.w_ih.T + weights.b_ih + h @ weights.w_hh.T + weights.b_hh).chunk(4, -1)
    c = (f + 1).sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


# %% wrong lstm_cell: changes the cell state in place
def lstm_cell(x, state, weights):
    h, c = state
    i, f, g, o = (x @ weights.w_ih.T + weights.b_ih + h @ weights.w_hh.T + weights.b_hh).chunk(4, -1)
    new = f.sigmoid() * c + i.sigmoid() * g.tanh()
    c.data.copy_(new.detach())
    return o.sigmoid() * new.tanh(), new


# %% wrong lstm_cell: cuts the gradient that returns through the gates, as in 1997
def lstm_cell(x, state, weights):
    h, c = state
    i, f, g, o = (F.linear(x, weights.w_ih, weights.b_ih) + F.linear(h.detach(), weights.w_hh, weights.b_hh)).chunk(4, 1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


# %% wrong lstm_cell: clips the cell state at 10
def lstm_cell(x, state, weights):
    h, c = state
    i, f, g, o = (F.linear(x, weights.w_ih, weights.b_ih) + F.linear(h, weights.w_hh, weights.b_hh)).chunk(4, 1)
    c = (f.sigmoid() * c + i.sigmoid() * g.tanh()).clamp(-10, 10)
    return o.sigmoid() * c.tanh(), c


# %% right lstm_cell: split matrices, one gate at a time
def lstm_cell(x, state, weights):
    h, c = state
    H = h.shape[1]

    def gate(k):
        rows = slice(k * H, (k + 1) * H)
        return F.linear(x, weights.w_ih[rows], weights.b_ih[rows]) + torch.einsum(
            "bh,kh->bk", h, weights.w_hh[rows]
        ) + weights.b_hh[rows]

    new = torch.addcmul(torch.sigmoid(gate(1)) * c, torch.sigmoid(gate(0)), torch.tanh(gate(2)))
    return torch.sigmoid(gate(3)) * torch.tanh(new), new


# %% right lstm_cell: torch's own kernel
def lstm_cell(x, state, weights):
    return torch.lstm_cell(x, state, *weights)


# %% right lstm_cell: gates as an axis, einsum, sigmoid by way of tanh
def lstm_cell(x, state, weights):
    h, c = state
    H = h.shape[-1]
    a = torch.einsum("bd,khd->kbh", x, weights.w_ih.reshape(4, H, -1))
    a = a + torch.einsum("bj,khj->kbh", h, weights.w_hh.reshape(4, H, H))
    a = a + (weights.b_ih + weights.b_hh).reshape(4, 1, H)
    i, f, o = (torch.tanh(a[k] / 2) / 2 + 0.5 for k in (0, 1, 3))
    new = torch.addcmul(f * c, i, torch.tanh(a[2]))
    return o * new.tanh(), new


# %% wrong gru_cell: the paper's variant, reset before the matrix
def gru_cell(x, h, weights):
    a_r, a_z, a_n = (x @ weights.w_ih.T + weights.b_ih).chunk(3, -1)
    w_r, w_z, w_n = weights.w_hh.chunk(3)
    b_r, b_z, b_n = weights.b_hh.chunk(3)
    r, z = torch.sigmoid(a_r + h @ w_r.T + b_r), torch.sigmoid(a_z + h @ w_z.T + b_z)
    n = torch.tanh(a_n + (r * h) @ w_n.T + b_n)
    return (1 - z) * n + z * h


# %% wrong gru_cell: z writes and 1 - z keeps
def gru_cell(x, h, weights):
    a_r, a_z, a_n = (x @ weights.w_ih.T + weights.b_ih).chunk(3, -1)
    b_r, b_z, b_n = (h @ weights.w_hh.T + weights.b_hh).chunk(3, -1)
    r, z = torch.sigmoid(a_r + b_r), torch.sigmoid(a_z + b_z)
    return z * torch.tanh(a_n + r * b_n) + (1 - z) * h


# %% wrong gru_cell: gates in the order z, r, n
def gru_cell(x, h, weights):
    a_z, a_r, a_n = (x @ weights.w_ih.T + weights.b_ih).chunk(3, -1)
    b_z, b_r, b_n = (h @ weights.w_hh.T + weights.b_hh).chunk(3, -1)
    r, z = torch.sigmoid(a_r + b_r), torch.sigmoid(a_z + b_z)
    return (1 - z) * torch.tanh(a_n + r * b_n) + z * h


# %% wrong gru_cell: the bias of n stands outside of the reset
def gru_cell(x, h, weights):
    H = h.shape[1]
    a_r, a_z, a_n = (x @ weights.w_ih.T + weights.b_ih).chunk(3, -1)
    b_r, b_z, b_n = (h @ weights.w_hh.T + weights.b_hh).chunk(3, -1)
    r, z, bias = torch.sigmoid(a_r + b_r), torch.sigmoid(a_z + b_z), weights.b_hh[2 * H :]
    return (1 - z) * torch.tanh(a_n + r * (b_n - bias) + bias) + z * h


# %% wrong gru_cell: no reset gate
def gru_cell(x, h, weights):
    a_r, a_z, a_n = (x @ weights.w_ih.T + weights.b_ih).chunk(3, -1)
    b_r, b_z, b_n = (h @ weights.w_hh.T + weights.b_hh).chunk(3, -1)
    z = torch.sigmoid(a_z + b_z)
    return (1 - z) * torch.tanh(a_n + b_n) + z * h


# %% wrong gru_cell: resets the input's part as well
def gru_cell(x, h, weights):
    a_r, a_z, a_n = (x @ weights.w_ih.T + weights.b_ih).chunk(3, -1)
    b_r, b_z, b_n = (h @ weights.w_hh.T + weights.b_hh).chunk(3, -1)
    r, z = torch.sigmoid(a_r + b_r), torch.sigmoid(a_z + b_z)
    return (1 - z) * torch.tanh(r * (a_n + b_n)) + z * h


# %% wrong gru_cell: no gradient on the straight road
def gru_cell(x, h, weights):
    ar, az, an = F.linear(x, weights.w_ih, weights.b_ih).chunk(3, 1)
    br, bz, bn = F.linear(h, weights.w_hh, weights.b_hh).chunk(3, 1)
    r, z = torch.sigmoid(ar + br), torch.sigmoid(az + bz)
    n = torch.tanh(an + r * bn)
    return (1 - z) * n + z * h.detach()


# %% right gru_cell: split matrices, and h + (1 - z)(n - h)
def gru_cell(x, h, weights):
    r, z, n = (
        (F.linear(x, w, b), F.linear(h, u, v))
        for w, u, b, v in zip(*(part.chunk(3) for part in weights))
    )
    r, z = sum(r).sigmoid(), sum(z).sigmoid()
    return h + (1 - z) * (torch.tanh(n[0] + r * n[1]) - h)


# %% right gru_cell: torch's own kernel
def gru_cell(x, h, weights):
    return torch.gru_cell(x, h, *weights)


# %% right gru_cell: unflatten, addcmul, lerp
def gru_cell(x, h, weights):
    a = torch.addmm(weights.b_ih, x, weights.w_ih.T).unflatten(1, (3, -1))
    b = torch.addmm(weights.b_hh, h, weights.w_hh.T).unflatten(1, (3, -1))
    gates = torch.sigmoid(a[:, :2] + b[:, :2])
    n = torch.tanh(torch.addcmul(a[:, 2], gates[:, 0], b[:, 2]))
    return torch.lerp(n, h, gates[:, 1])


# %% wrong clip_gradients: clips each tensor by its own norm
def clip_gradients(parameters, limit):
    if limit <= 0:
        raise ValueError(limit)
    gradients = [p.grad for p in parameters if p.grad is not None]
    total = math.sqrt(sum(g.norm().item() ** 2 for g in gradients))
    for g in gradients:
        g.mul_(min(1.0, limit / max(g.norm().item(), 1e-12)))
    return total


# %% wrong clip_gradients: clamps each element
def clip_gradients(parameters, limit):
    if limit <= 0:
        raise ValueError(limit)
    gradients = [p.grad for p in parameters if p.grad is not None]
    total = math.sqrt(sum(g.norm().item() ** 2 for g in gradients))
    for g in gradients:
        g.clamp_(-limit, limit)
    return total


# %% wrong clip_gradients: returns the norm after clipping
def clip_gradients(parameters, limit):
    if limit <= 0:
        raise ValueError(limit)
    gradients = [p.grad for p in parameters if p.grad is not None]
    norm = math.sqrt(sum((g**2).sum().item() for g in gradients))
    if norm > limit:
        for g in gradients:
            g.mul_(limit / norm)
    return min(norm, limit)


# %% wrong clip_gradients: stretches short gradients to the limit as well
def clip_gradients(parameters, limit):
    if limit <= 0:
        raise ValueError(limit)
    gradients = [p.grad for p in parameters if p.grad is not None]
    norm = math.sqrt(sum((g**2).sum().item() for g in gradients))
    for g in gradients:
        g.mul_(limit / norm)
    return norm


# %% wrong clip_gradients: reads a generator twice, so the second time it is empty
def clip_gradients(parameters, limit):
    if limit <= 0:
        raise ValueError(limit)
    norm = math.sqrt(sum((p.grad**2).sum().item() for p in parameters if p.grad is not None))
    if norm > limit:
        for p in parameters:
            if p.grad is not None:
                p.grad.mul_(limit / norm)
    return norm


# %% wrong clip_gradients: puts new tensors in the place of the gradients
def clip_gradients(parameters, limit):
    if limit <= 0:
        raise ValueError(limit)
    parameters = list(parameters)
    norm = math.sqrt(sum((p.grad**2).sum().item() for p in parameters if p.grad is not None))
    for p in parameters:
        if p.grad is not None and norm > limit:
            p.grad = p.grad * (limit / norm)
    return norm


# %% wrong clip_gradients: adds norms instead of their squares
def clip_gradients(parameters, limit):
    if limit <= 0:
        raise ValueError(limit)
    gradients = [p.grad for p in parameters if p.grad is not None]
    norm = sum(g.norm().item() for g in gradients)
    if norm > limit:
        for g in gradients:
            g.mul_(limit / norm)
    return norm


# %% wrong clip_gradients: returns a tensor
def clip_gradients(parameters, limit):
    if not limit > 0:
        raise ValueError("limit must be above 0")
    grads = [p.grad for p in parameters if p.grad is not None]
    norm = torch.sqrt(sum(((g**2).sum() for g in grads), torch.zeros(())))
    if norm > limit:
        for g in grads:
            g.mul_(limit / norm)
    return norm


# %% wrong clip_gradients: scales first and refuses the limit afterwards
def clip_gradients(parameters, limit):
    grads = [p.grad for p in parameters if p.grad is not None]
    norm = math.sqrt(sum((g**2).sum().item() for g in grads))
    if norm > limit:
        for g in grads:
            g.mul_(limit / norm)
    if not limit > 0:
        raise ValueError("limit must be above 0")
    return norm


# %% wrong clip_gradients: shrinks gradients that are about as long as the limit
def clip_gradients(parameters, limit):
    if not limit > 0:
        raise ValueError("limit must be above 0")
    grads = [p.grad for p in parameters if p.grad is not None]
    norm = math.sqrt(sum((g**2).sum().item() for g in grads))
    for g in grads:
        g.mul_(min(1.0, limit / (norm + 1e-2 * (norm < limit * 1.0001))))
    return norm


# %% wrong clip_gradients: squares in float32, where long gradients overflow
def clip_gradients(parameters, limit):
    if not limit > 0:
        raise ValueError("limit must be above 0")
    grads = [p.grad for p in parameters if p.grad is not None]
    norm = math.sqrt(sum((g.float()**2).sum().item() for g in grads))
    if norm > limit:
        for g in grads:
            g.mul_(limit / norm)
    return norm


# %% right clip_gradients: torch's own function
def clip_gradients(parameters, limit):
    if not limit > 0:
        raise ValueError("limit")
    return torch.nn.utils.clip_grad_norm_(parameters, limit).item()


# %% right clip_gradients: one long vector, scaled always, by at most 1
def clip_gradients(parameters, limit):
    if limit <= 0:
        raise ValueError("the limit must be positive")
    gradients = [p.grad for p in parameters if p.grad is not None]
    if not gradients:
        return 0.0
    norm = torch.linalg.vector_norm(torch.cat([g.flatten() for g in gradients])).item()
    factor = min(1.0, limit / norm) if norm else 1.0
    torch._foreach_mul_(gradients, factor)
    return norm


# %% right clip_gradients: a norm of norms
def clip_gradients(parameters, limit):
    if not limit > 0:
        raise ValueError("limit must be above 0")
    gradients = list(filter(lambda g: g is not None, map(lambda p: p.grad, parameters)))
    norm = math.hypot(*(torch.linalg.vector_norm(g).item() for g in gradients))
    if norm > limit:
        torch._foreach_mul_(gradients, limit / norm)
    return norm


# %% wrong train_chunk: the state that it returns still hangs on the graph
def train_chunk(model, optimizer, inputs, targets, state, limit):
    if isinstance(state, tuple):
        state = tuple(part.detach() for part in state)
    elif state is not None:
        state = state.detach()
    logits, state = model(inputs, state)
    loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
    optimizer.zero_grad()
    loss.backward()
    norm = clip_gradients(model.parameters(), limit)
    optimizer.step()
    return loss.item(), norm, state


# %% wrong train_chunk: starts every chunk afresh
def train_chunk(model, optimizer, inputs, targets, state, limit):
    logits, state = model(inputs, None)
    loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
    optimizer.zero_grad()
    loss.backward()
    norm = clip_gradients(model.parameters(), limit)
    optimizer.step()
    return loss.item(), norm, tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()


# %% wrong train_chunk: adds to the gradients of earlier chunks
def train_chunk(model, optimizer, inputs, targets, state, limit):
    def cut(state):
        return None if state is None else tuple(map(torch.detach, state)) if isinstance(state, tuple) else state.detach()

    logits, state = model(inputs, cut(state))
    loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
    loss.backward()
    norm = clip_gradients(model.parameters(), limit)
    optimizer.step()
    return loss.item(), norm, cut(state)


# %% wrong train_chunk: clips after the step
def train_chunk(model, optimizer, inputs, targets, state, limit):
    def cut(state):
        return None if state is None else tuple(map(torch.detach, state)) if isinstance(state, tuple) else state.detach()

    logits, state = model(inputs, cut(state))
    loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    norm = clip_gradients(model.parameters(), limit)
    return loss.item(), norm, cut(state)


# %% wrong train_chunk: lets the gradient run on into what made the incoming state
def train_chunk(model, optimizer, inputs, targets, state, limit):
    logits, state = model(inputs, state)
    loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
    optimizer.zero_grad()
    loss.backward()
    norm = clip_gradients(model.parameters(), limit)
    optimizer.step()
    return loss.item(), norm, tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()


# %% wrong train_chunk: sums the loss over time instead of taking the mean
def train_chunk(model, optimizer, inputs, targets, state, limit):
    def cut(state):
        return None if state is None else tuple(map(torch.detach, state)) if isinstance(state, tuple) else state.detach()

    logits, state = model(inputs, cut(state))
    loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum") / len(inputs)
    optimizer.zero_grad()
    loss.backward()
    norm = clip_gradients(model.parameters(), limit)
    optimizer.step()
    return loss.item(), norm, cut(state)


# %% wrong train_chunk: only the last character counts
def train_chunk(model, optimizer, inputs, targets, state, limit):
    def cut(state):
        return None if state is None else tuple(map(torch.detach, state)) if isinstance(state, tuple) else state.detach()

    logits, state = model(inputs, cut(state))
    loss = F.cross_entropy(logits[:, -1], targets[:, -1])
    optimizer.zero_grad()
    loss.backward()
    norm = clip_gradients(model.parameters(), limit)
    optimizer.step()
    return loss.item(), norm, cut(state)


# %% wrong train_chunk: returns the zeros it began with as the new state
def train_chunk(model, optimizer, inputs, targets, state, limit):
    def cut(state):
        return None if state is None else tuple(map(torch.detach, state)) if isinstance(state, tuple) else state.detach()

    logits, after = model(inputs, cut(state))
    loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
    optimizer.zero_grad()
    loss.backward()
    norm = clip_gradients(model.parameters(), limit)
    optimizer.step()
    return loss.item(), norm, tuple(map(torch.zeros_like, cut(after))) if isinstance(after, tuple) else torch.zeros_like(cut(after))


# %% wrong train_chunk: knows tuples of two only
def train_chunk(model, optimizer, inputs, targets, state, limit):
    cut = lambda s: None if s is None else s.detach() if torch.is_tensor(s) else (s[0].detach(), s[1].detach())
    logits, after = model(inputs, cut(state))
    loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
    optimizer.zero_grad()
    loss.backward()
    norm = clip_gradients(model.parameters(), limit)
    optimizer.step()
    return loss.item(), norm, cut(after)


# %% wrong train_chunk: detaches the caller's own tensors in place
def train_chunk(model, optimizer, inputs, targets, state, limit):
    if state is not None:
        for part in (state if isinstance(state, tuple) else (state,)):
            part.detach_()
    logits, after = model(inputs, state)
    loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
    optimizer.zero_grad()
    loss.backward()
    norm = clip_gradients(model.parameters(), limit)
    optimizer.step()
    after = after.detach() if torch.is_tensor(after) else tuple(part.detach() for part in after)
    return loss.item(), norm, after


# %% wrong train_chunk: clears the old gradients of the optimiser's first group alone
def train_chunk(model, optimizer, inputs, targets, state, limit):
    cut = lambda s: None if s is None else s.detach() if torch.is_tensor(s) else tuple(p.detach() for p in s)
    logits, after = model(inputs, cut(state))
    loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
    for p in optimizer.param_groups[0]["params"]:
        p.grad = None
    loss.backward()
    norm = clip_gradients(model.parameters(), limit)
    optimizer.step()
    return loss.item(), norm, cut(after)


# %% right train_chunk: log-softmax written out, autograd.grad, torch's clipping
def train_chunk(model, optimizer, inputs, targets, state, limit):
    fresh = {tuple: lambda s: tuple(p.detach().clone() for p in s), type(None): lambda s: None}
    state = fresh.get(type(state), lambda s: s.detach())(state)
    logits, state = model(inputs, state)
    loss = -logits.log_softmax(-1).gather(-1, targets[..., None]).mean()
    parameters = list(model.parameters())
    for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters, allow_unused=True)):
        parameter.grad = gradient
    norm = float(torch.nn.utils.clip_grad_norm_(parameters, limit))
    optimizer.step()
    return float(loss.detach()), norm, fresh.get(type(state), lambda s: s.detach())(state)


# %% right train_chunk: parameters by way of the optimiser, a sum divided by a count
def train_chunk(model, optimizer, inputs, targets, state, limit):
    def cut(s):
        match s:
            case None:
                return None
            case tuple():
                return tuple(cut(part) for part in s)
            case _:
                return s.detach().clone()

    logits, after = model(inputs, cut(state))
    loss = F.cross_entropy(logits.movedim(-1, 1), targets, reduction="sum") / targets.numel()
    optimizer.zero_grad()
    loss.backward()
    norm = clip_gradients((p for group in optimizer.param_groups for p in group["params"]), limit)
    optimizer.step()
    return loss.item(), norm, cut(after)


# %% wrong bits_per_character: in nats
def bits_per_character(model, rows, length):
    if rows.shape[1] < 2:
        raise ValueError("too short")
    nats, state = 0.0, None
    with torch.no_grad():
        for start in range(0, rows.shape[1] - 1, length):
            part = rows[:, start : start + length + 1]
            logits, state = model(part[:, :-1], state)
            nats += F.cross_entropy(logits.flatten(0, 1), part[:, 1:].flatten(), reduction="sum").item()
    return nats / (rows.shape[0] * (rows.shape[1] - 1))


# %% wrong bits_per_character: the mean of the chunks' means
def bits_per_character(model, rows, length):
    if rows.shape[1] < 2:
        raise ValueError("too short")
    means, state = [], None
    with torch.no_grad():
        for start in range(0, rows.shape[1] - 1, length):
            part = rows[:, start : start + length + 1]
            logits, state = model(part[:, :-1], state)
            means.append(F.cross_entropy(logits.flatten(0, 1), part[:, 1:].flatten()).item())
    return sum(means) / len(means) / math.log(2)


# %% wrong bits_per_character: forgets the state between chunks
def bits_per_character(model, rows, length):
    if rows.shape[1] < 2:
        raise ValueError("too short")
    nats = 0.0
    with torch.no_grad():
        for start in range(0, rows.shape[1] - 1, length):
            part = rows[:, start : start + length + 1]
            logits, _ = model(part[:, :-1], None)
            nats += F.cross_entropy(logits.flatten(0, 1), part[:, 1:].flatten(), reduction="sum").item()
    return nats / rows[:, 1:].numel() / math.log(2)


# %% wrong bits_per_character: drops the last, shorter chunk
def bits_per_character(model, rows, length):
    if rows.shape[1] < 2:
        raise ValueError("too short")
    nats, count, state = 0.0, 0, None
    length = min(length, rows.shape[1] - 1)
    with torch.no_grad():
        for start in range(0, rows.shape[1] - length, length):
            part = rows[:, start : start + length + 1]
            logits, state = model(part[:, :-1], state)
            nats += F.cross_entropy(logits.flatten(0, 1), part[:, 1:].flatten(), reduction="sum").item()
            count += part[:, 1:].numel()
    return nats / count / math.log(2)


# %% wrong bits_per_character: scores the character that the model has just read
def bits_per_character(model, rows, length):
    if rows.shape[1] < 2:
        raise ValueError("too short")
    nats, state = 0.0, None
    with torch.no_grad():
        for start in range(0, rows.shape[1] - 1, length):
            part = rows[:, 1:][:, start : start + length]
            logits, state = model(part, state)
            nats += F.cross_entropy(logits.flatten(0, 1), part.flatten(), reduction="sum").item()
    return nats / rows[:, 1:].numel() / math.log(2)


# %% wrong bits_per_character: cuts the text into pieces that lose one prediction each
def bits_per_character(model, rows, length):
    if rows.shape[1] < 2:
        raise ValueError("too short")
    nats, count, state = 0.0, 0, None
    with torch.no_grad():
        for part in rows.split(max(2, length), dim=1):
            logits, state = model(part, state)
            nats += F.cross_entropy(logits[:, :-1].flatten(0, 1), part[:, 1:].flatten(), reduction="sum").item()
            count += part[:, 1:].numel()
    return nats / count / math.log(2)


# %% wrong bits_per_character: builds the graph of the whole text
def bits_per_character(model, rows, length):
    if rows.shape[1] < 2:
        raise ValueError("too short")
    nats, state = 0.0, None
    for start in range(0, rows.shape[1] - 1, length):
        part = rows[:, start : start + length + 1]
        logits, state = model(part[:, :-1], state)
        nats += F.cross_entropy(logits.flatten(0, 1), part[:, 1:].flatten(), reduction="sum").item()
    return nats / rows[:, 1:].numel() / math.log(2)


# %% wrong bits_per_character: asks for two characters in all, not in each stream
@torch.no_grad()
def bits_per_character(model, rows, length):
    if rows.numel() < 2:
        raise ValueError("nothing to predict")
    total, state, n = 0.0, None, rows.shape[1] - 1
    for s in range(0, n, length):
        logits, state = model(rows[:, s : min(s + length, n)], state)
        total += F.cross_entropy(logits.flatten(0, 1), rows[:, s + 1 : s + 1 + length].flatten(), reduction="sum").item()
    return total / max(1, len(rows) * n) / math.log(2)


# %% wrong bits_per_character: reads all in one call
@torch.no_grad()
def bits_per_character(model, rows, length):
    if rows.shape[1] < 2:
        raise ValueError("nothing to predict")
    logits, _ = model(rows[:, :-1], None)
    return F.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten()).item() / math.log(2)


# %% wrong bits_per_character: carries only the first part of the state: c is lost
@torch.no_grad()
def bits_per_character(model, rows, length):
    if rows.shape[1] < 2:
        raise ValueError("nothing to predict")
    total, state, n = 0.0, None, rows.shape[1] - 1
    for s in range(0, n, length):
        if isinstance(state, tuple):
            state = (state[0], *(torch.zeros_like(p) for p in state[1:]))
        logits, state = model(rows[:, s : min(s + length, n)], state)
        total += F.cross_entropy(logits.flatten(0, 1), rows[:, s + 1 : s + 1 + length].flatten(), reduction="sum").item()
    return total / (len(rows) * n) / math.log(2)


# %% wrong bits_per_character: leaves gradients switched off for good
def bits_per_character(model, rows, length):
    torch.set_grad_enabled(False)
    if rows.shape[1] < 2:
        raise ValueError("nothing to predict")
    total, state, n = 0.0, None, rows.shape[1] - 1
    for s in range(0, n, length):
        logits, state = model(rows[:, s : min(s + length, n)], state)
        total += F.cross_entropy(logits.flatten(0, 1), rows[:, s + 1 : s + 1 + length].flatten(), reduction="sum").item()
    return total / (len(rows) * n) / math.log(2)


# %% right bits_per_character: log-probabilities gathered, collected, and averaged once
@torch.inference_mode()
def bits_per_character(model, rows, length):
    if rows.shape[1] < 2:
        raise ValueError("nothing to predict")
    state, found = None, []
    for ids, aims in zip(rows[:, :-1].split(length, 1), rows[:, 1:].split(length, 1)):
        logits, state = model(ids, state)
        log_p = logits - logits.logsumexp(-1, keepdim=True)
        found.append(-log_p.gather(-1, aims.unsqueeze(-1)).squeeze(-1) / math.log(2))
    return torch.cat(found, dim=1).double().mean().item()


# %% right bits_per_character: detaches a state that is a tensor, a tuple or None
@torch.no_grad()
def bits_per_character(model, rows, length):
    cut = lambda s: None if s is None else s.detach() if torch.is_tensor(s) else tuple(p.detach() for p in s)
    if rows.shape[1] < 2:
        raise ValueError("nothing to predict")
    total, state, n = 0.0, None, rows.shape[1] - 1
    for s in range(0, n, length):
        logits, state = model(rows[:, s : min(s + length, n)], cut(state))
        total += F.cross_entropy(logits.flatten(0, 1), rows[:, s + 1 : s + 1 + length].flatten(), reduction="sum").item()
    return total / (len(rows) * n) / math.log(2)


# %% right bits_per_character: reads the last character too and drops what it predicts
@torch.no_grad()
def bits_per_character(model, rows, length):
    if rows.shape[1] < 2:
        raise ValueError("nothing to predict")
    state, all_logits = None, []
    for part in rows.split(length, 1):
        logits, state = model(part, state)
        all_logits.append(logits)
    logits = torch.cat(all_logits, 1)[:, :-1]
    return F.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten()).item() / math.log(2)


# %% wrong sample_next: divides the probabilities, which normalising undoes
def sample_next(logits, temperature, generator):
    if temperature < 0:
        raise ValueError("negative")
    if temperature == 0:
        return logits.argmax(-1)
    p = torch.softmax(logits, -1) / temperature
    return torch.multinomial(p / p.sum(-1, keepdim=True), 1, generator=generator).squeeze(-1)


# %% wrong sample_next: multiplies by the temperature
def sample_next(logits, temperature, generator):
    if temperature < 0:
        raise ValueError("negative")
    if temperature == 0:
        return logits.argmax(-1)
    return torch.multinomial(torch.softmax(logits * temperature, -1), 1, generator=generator).squeeze(-1)


# %% wrong sample_next: always the likeliest
def sample_next(logits, temperature, generator):
    if temperature < 0:
        raise ValueError("negative")
    return logits.argmax(-1)


# %% wrong sample_next: takes its randomness from torch's own generator
def sample_next(logits, temperature, generator):
    if temperature < 0:
        raise ValueError("negative")
    if temperature == 0:
        return logits.argmax(-1)
    return torch.multinomial(torch.softmax(logits / temperature, -1), 1).squeeze(-1)


# %% wrong sample_next: shifts the logits in place
def sample_next(logits, temperature, generator):
    if temperature < 0:
        raise ValueError("negative")
    if temperature == 0:
        return logits.argmax(-1)
    p = torch.softmax(logits / temperature, -1)
    drawn = torch.multinomial(p, 1, generator=generator).squeeze(-1)
    if logits.stride(0):
        logits -= logits.max(-1, keepdim=True).values
    return drawn


# %% wrong sample_next: one random number serves all rows
def sample_next(logits, temperature, generator):
    if temperature < 0:
        raise ValueError("negative")
    if temperature == 0:
        return logits.argmax(-1)
    edges = torch.softmax(logits.double() / temperature, -1).cumsum(-1)
    u = torch.rand(1, 1, generator=generator, dtype=torch.float64) * edges[:, -1:]
    return (edges <= u).sum(-1)


# %% wrong sample_next: never draws the unlikely half
def sample_next(logits, temperature, generator):
    if temperature < 0:
        raise ValueError("negative")
    if temperature == 0:
        return logits.argmax(-1)
    p = torch.softmax(logits / temperature, -1)
    p = torch.where(p >= p.median(-1, keepdim=True).values, p, 0.0)
    return torch.multinomial(p, 1, generator=generator).squeeze(-1)


# %% wrong sample_next: the square root of the temperature
def sample_next(logits, temperature, generator):
    if temperature < 0:
        raise ValueError("negative")
    if temperature == 0:
        return logits.argmax(-1)
    return torch.multinomial(torch.softmax(logits / temperature**0.5, -1), 1, generator=generator).squeeze(-1)


# %% wrong sample_next: temperature 0 by way of a tiny number: near ties are drawn
def sample_next(logits, temperature, generator):
    if temperature < 0:
        raise ValueError("negative temperature")
    return torch.multinomial(torch.softmax(logits / max(temperature, 1e-6), -1), 1, generator=generator)[:, 0]


# %% wrong sample_next: everything below 0.1 is the argmax
def sample_next(logits, temperature, generator):
    if temperature < 0:
        raise ValueError("negative temperature")
    if temperature < 0.1:
        return logits.argmax(-1)
    return torch.multinomial(torch.softmax(logits / temperature, -1), 1, generator=generator)[:, 0]


# %% wrong sample_next: clamps logits, so that what must never come does come
def sample_next(logits, temperature, generator):
    if temperature < 0:
        raise ValueError("negative temperature")
    if temperature == 0:
        return logits.argmax(-1)
    shifted = logits - logits.amax(-1, keepdim=True)
    p = (shifted.clamp(min=-15) / temperature).exp()
    return torch.multinomial(p, 1, generator=generator)[:, 0]


# %% wrong sample_next: antithetic draws: one row decides another
def sample_next(logits, temperature, generator):
    if temperature < 0:
        raise ValueError("negative temperature")
    if temperature == 0:
        return logits.argmax(-1)
    edges = torch.softmax(logits.double() / temperature, -1).cumsum(1)
    half = torch.rand((len(logits) + 1) // 2, generator=generator, dtype=torch.float64)
    u = torch.cat([half, 1 - half])[: len(logits)]
    return torch.searchsorted(edges, u[:, None] * edges[:, -1:]).squeeze(1).clamp(max=logits.shape[1] - 1)


# %% wrong sample_next: one random number, shifted from row to row
def sample_next(logits, temperature, generator):
    if temperature < 0:
        raise ValueError("negative temperature")
    if temperature == 0:
        return logits.argmax(-1)
    edges = torch.softmax(logits.double() / temperature, -1).cumsum(1)
    B = len(logits)
    u = (torch.rand(1, generator=generator, dtype=torch.float64) + torch.arange(B) * 0.6180339887498949) % 1.0
    return torch.searchsorted(edges, u.to(logits.device)[:, None] * edges[:, -1:], right=True).squeeze(1)


# %% wrong sample_next: seeds torch's own generator and draws from that
def sample_next(logits, temperature, generator):
    if temperature < 0:
        raise ValueError("negative temperature")
    if temperature == 0:
        return logits.argmax(-1)
    torch.manual_seed(int(torch.randint(2**62, (), generator=generator)))
    return torch.multinomial(torch.softmax(logits / temperature, -1), 1)[:, 0]


# %% wrong sample_next: divides the logits in place
def sample_next(logits, temperature, generator):
    if temperature < 0:
        raise ValueError("negative temperature")
    if temperature == 0:
        return logits.argmax(-1)
    p = torch.softmax(logits.div_(temperature), -1)
    return torch.multinomial(p, 1, generator=generator)[:, 0]


# %% right sample_next: the Gumbel-max trick
def sample_next(logits, temperature, generator):
    if temperature < 0:
        raise ValueError("temperature")
    if temperature == 0:
        return logits.max(dim=-1).indices
    u = torch.rand(logits.shape, generator=generator, dtype=torch.float64).clamp_min(1e-300)
    return (logits.double() / temperature - torch.log(-torch.log(u))).argmax(-1)


# %% right sample_next: the inverse of the distribution function
def sample_next(logits, temperature, generator):
    if temperature < 0:
        raise ValueError("temperature")
    if temperature == 0:
        return logits.argmax(1)
    edges = torch.softmax(logits.double() / temperature, dim=1).cumsum(1)
    u = torch.rand(len(logits), 1, generator=generator, dtype=torch.float64) * edges[:, -1:]
    return (edges <= u).sum(1)


# %% right sample_next: an exponential race, integers of 32 bits
def sample_next(logits, temperature, generator):
    if temperature < 0:
        raise ValueError("negative temperature")
    if temperature == 0:
        return logits.argmax(-1).to(torch.int32)
    p = torch.softmax(logits.double() / temperature, -1)
    return (p / torch.empty_like(p).exponential_(generator=generator)).argmax(-1).to(torch.int32)


# %% wrong run_decoder: shows the decoder the target that it must predict
def run_decoder(step, state, start, targets, teacher_forcing):
    tokens, found = start, []
    for t in range(targets.shape[1]):
        if teacher_forcing:
            tokens = targets[:, t]
        logits, state = step(tokens, state)
        found.append(logits)
        if not teacher_forcing:
            tokens = logits.argmax(-1)
    return torch.stack(found, 1)


# %% wrong run_decoder: feeds the targets when it should run free
def run_decoder(step, state, start, targets, teacher_forcing):
    tokens, found = start, []
    for t in range(targets.shape[1]):
        logits, state = step(tokens, state)
        found.append(logits)
        tokens = targets[:, t]
    return torch.stack(found, 1)


# %% wrong run_decoder: runs free in both modes
def run_decoder(step, state, start, targets, teacher_forcing):
    tokens, found = start, []
    for t in range(targets.shape[1]):
        logits, state = step(tokens, state)
        found.append(logits)
        tokens = logits.argmax(-1)
    return torch.stack(found, 1)


# %% wrong run_decoder: starts each step from the encoder's state
def run_decoder(step, state, start, targets, teacher_forcing):
    tokens, found = start, []
    for t in range(targets.shape[1]):
        logits, _ = step(tokens, state)
        found.append(logits)
        tokens = targets[:, t] if teacher_forcing else logits.argmax(-1)
    return torch.stack(found, 1)


# %% wrong run_decoder: always feeds the start token when it runs free
def run_decoder(step, state, start, targets, teacher_forcing):
    tokens, found = start, []
    for t in range(targets.shape[1]):
        logits, state = step(tokens, state)
        found.append(logits)
        tokens = targets[:, t] if teacher_forcing else start
    return torch.stack(found, 1)


# %% wrong run_decoder: corrects itself by the target where it was wrong
def run_decoder(step, state, start, targets, teacher_forcing):
    tokens, found = start, []
    for t in range(targets.shape[1]):
        logits, state = step(tokens, state)
        found.append(logits)
        guess = logits.argmax(-1)
        tokens = targets[:, t] if teacher_forcing else torch.where(guess == targets[:, t], guess, targets[:, t])
    return torch.stack(found, 1)


# %% wrong run_decoder: builds no graph
def run_decoder(step, state, start, targets, teacher_forcing):
    tokens, found = start, []
    with torch.no_grad():
        for t in range(targets.shape[1]):
            logits, state = step(tokens, state)
            found.append(logits)
            tokens = targets[:, t] if teacher_forcing else logits.argmax(-1)
    return torch.stack(found, 1)


# %% wrong run_decoder: writes its own tokens over the targets
def run_decoder(step, state, start, targets, teacher_forcing):
    out, token = [], start
    for t in range(targets.shape[1]):
        u, state = step(token, state)
        out.append(u)
        if not teacher_forcing:
            targets[:, t] = u.argmax(-1)
        token = targets[:, t]
    return torch.stack(out, 1)


# %% wrong run_decoder: no gradient in free running
def run_decoder(step, state, start, targets, teacher_forcing):
    out, token = [], start
    for t in range(targets.shape[1]):
        u, state = step(token, state)
        if not teacher_forcing:
            u = u.detach()
        out.append(u)
        token = targets[:, t] if teacher_forcing else u.argmax(-1)
    return torch.stack(out, 1)


# %% wrong run_decoder: loses the batch axis of the tokens where B is 1
def run_decoder(step, state, start, targets, teacher_forcing):
    out, token = [], start
    for t in range(targets.shape[1]):
        u, state = step(token, state)
        out.append(u)
        token = targets[:, t] if teacher_forcing else u.argmax(-1, keepdim=True).squeeze()
    return torch.stack(out, 1)


# %% right run_decoder: the tokens to feed are laid out beforehand
def run_decoder(step, state, start, targets, teacher_forcing):
    fed = torch.cat([start[:, None], targets[:, :-1]], dim=1)
    logits, found = None, []
    for column in fed.unbind(1):
        tokens = column if teacher_forcing or logits is None else logits.max(1).indices
        logits, state = step(tokens, state)
        found.append(logits.unsqueeze(1))
    return torch.cat(found, dim=1)


# %% right run_decoder: fills a tensor and reads its own tokens back from it
def run_decoder(step, state, start, targets, teacher_forcing):
    logits, state = step(start, state)
    out = logits.new_empty(len(start), targets.shape[1], logits.shape[1])
    out[:, 0] = logits
    for t in range(1, targets.shape[1]):
        logits, state = step(targets[:, t - 1] if teacher_forcing else out[:, t - 1].argmax(1), state)
        out[:, t] = logits
    return out


# %% wrong beam_search: drops a hypothesis once it is finished, unless none is left
def beam_search(step, width, length, end=None):
    if width < 1:
        raise ValueError("width")
    beam, done = [((), 0.0)], []
    for _ in range(length):
        if not beam:
            break
        rows = step(torch.tensor([t for t, _ in beam], dtype=torch.long).view(len(beam), -1)).tolist()
        new = [((*t, v), s + x) for (t, s), row in zip(beam, rows) for v, x in enumerate(row)]
        new = sorted(new, key=lambda pair: -pair[1])[:width]
        done += [pair for pair in new if pair[0][-1] == end]
        beam = [pair for pair in new if pair[0][-1] != end]
    return (beam + sorted(done, key=lambda pair: -pair[1]))[:width]


# %% wrong beam_search: multiplies probabilities and takes the logarithm at the end
def beam_search(step, width, length, end=None):
    if width < 1:
        raise ValueError("width")
    beam = [((), 1.0)]
    for _ in range(length):
        new = [pair for pair in beam if pair[0] and pair[0][-1] == end]
        live = [pair for pair in beam if not (pair[0] and pair[0][-1] == end)]
        if not live:
            break
        rows = step(torch.tensor([t for t, _ in live], dtype=torch.long).view(len(live), -1)).exp().tolist()
        new += [((*t, v), p * x) for (t, p), row in zip(live, rows) for v, x in enumerate(row)]
        beam = sorted(new, key=lambda pair: -pair[1])[:width]
    return [(t, math.log(p) if p > 0 else -math.inf) for t, p in beam]


# %% wrong beam_search: each hypothesis keeps its own best extension, they never compete
def beam_search(step, width, length, end=None):
    if width < 1:
        raise ValueError("width")
    first = step(torch.zeros(1, 0, dtype=torch.long))[0].tolist()
    beam = sorted((((v,), x) for v, x in enumerate(first)), key=lambda pair: -pair[1])[:width]
    for _ in range(length - 1):
        new = []
        for t, s in beam:
            if t[-1] == end:
                new.append((t, s))
                continue
            row = step(torch.tensor([t]))[0].tolist()
            v = max(range(len(row)), key=row.__getitem__)
            new.append(((*t, v), s + row[v]))
        beam = sorted(new, key=lambda pair: -pair[1])
    return beam


# %% wrong beam_search: goes on extending what is finished
def beam_search(step, width, length, end=None):
    if width < 1:
        raise ValueError("width")
    beam = [((), 0.0)]
    for _ in range(length):
        rows = step(torch.tensor([t for t, _ in beam], dtype=torch.long).view(len(beam), -1)).tolist()
        new = [((*t, v), s + x) for (t, s), row in zip(beam, rows) for v, x in enumerate(row)]
        beam = sorted(new, key=lambda pair: -pair[1])[:width]
    return beam


# %% wrong beam_search: stops as soon as one hypothesis is finished
def beam_search(step, width, length, end=None):
    if width < 1:
        raise ValueError("width")
    beam = [((), 0.0)]
    for _ in range(length):
        if any(t and t[-1] == end for t, _ in beam):
            break
        rows = step(torch.tensor([t for t, _ in beam], dtype=torch.long).view(len(beam), -1)).tolist()
        new = [((*t, v), s + x) for (t, s), row in zip(beam, rows) for v, x in enumerate(row)]
        beam = sorted(new, key=lambda pair: -pair[1])[:width]
    return sorted(beam, key=lambda pair: (not (pair[0] and pair[0][-1] == end), -pair[1]))


# %% wrong beam_search: ranks the finished list by the mean log-probability
def beam_search(step, width, length, end=None):
    if width < 1:
        raise ValueError("width")
    beam = [((), 0.0)]
    for _ in range(length):
        new = [pair for pair in beam if pair[0] and pair[0][-1] == end]
        live = [pair for pair in beam if not (pair[0] and pair[0][-1] == end)]
        if not live:
            break
        rows = step(torch.tensor([t for t, _ in live], dtype=torch.long).view(len(live), -1)).tolist()
        new += [((*t, v), s + x) for (t, s), row in zip(live, rows) for v, x in enumerate(row)]
        beam = sorted(new, key=lambda pair: -pair[1] / len(pair[0]))[:width]
    return beam


# %% wrong beam_search: greedy, whatever the width
def beam_search(step, width, length, end=None):
    if width < 1:
        raise ValueError("width")
    tokens, score = (), 0.0
    for _ in range(length):
        row = step(torch.tensor([tokens], dtype=torch.long).view(1, -1))[0].tolist()
        v = max(range(len(row)), key=row.__getitem__)
        tokens, score = (*tokens, v), score + row[v]
        if v == end:
            break
    return [(tokens, score)]


# %% wrong beam_search: the score of the last token alone
def beam_search(step, width, length, end=None):
    if width < 1:
        raise ValueError("width")
    beam = [((), 0.0)]
    for _ in range(length):
        new = [pair for pair in beam if pair[0] and pair[0][-1] == end]
        live = [pair for pair in beam if not (pair[0] and pair[0][-1] == end)]
        if not live:
            break
        rows = step(torch.tensor([t for t, _ in live], dtype=torch.long).view(len(live), -1)).tolist()
        new += [((*t, v), x) for (t, s), row in zip(live, rows) for v, x in enumerate(row)]
        beam = sorted(new, key=lambda pair: -pair[1])[:width]
    return beam


# %% wrong beam_search: returns the beam with the worst hypothesis first
def beam_search(step, width, length, end=None):
    if width < 1:
        raise ValueError("width")
    beam = [((), 0.0)]
    for _ in range(length):
        new = [pair for pair in beam if pair[0] and pair[0][-1] == end]
        live = [pair for pair in beam if not (pair[0] and pair[0][-1] == end)]
        if not live:
            break
        rows = step(torch.tensor([t for t, _ in live], dtype=torch.long).view(len(live), -1)).tolist()
        new += [((*t, v), s + x) for (t, s), row in zip(live, rows) for v, x in enumerate(row)]
        beam = sorted(new, key=lambda pair: -pair[1])[:width]
    return beam[::-1]


# %% wrong beam_search: the empty prefix is a tensor of floats
def beam_search(step, width, length, end=None):
    if width < 1:
        raise ValueError("width")
    beam = [((), 0.0)]
    for t in range(length):
        done = [b for b in beam if end is not None and b[0] and b[0][-1] == end]
        opened = [b for b in beam if not (end is not None and b[0] and b[0][-1] == end)]
        if not opened:
            break
        table = step(torch.tensor([b[0] for b in opened])).tolist()
        done += [((*tok, v), s + lp) for (tok, s), row in zip(opened, table) for v, lp in enumerate(row)]
        beam = sorted(done, key=lambda b: b[1], reverse=True)[:width]
    return beam


# %% wrong beam_search: stops when the best is finished
def beam_search(step, width, length, end=None):
    if width < 1:
        raise ValueError("width")
    beam = [((), 0.0)]
    for t in range(length):
        done = [b for b in beam if end is not None and b[0] and b[0][-1] == end]
        opened = [b for b in beam if not (end is not None and b[0] and b[0][-1] == end)]
        if not opened or (done and done[0] == beam[0]):
            break
        table = step(torch.tensor([b[0] for b in opened], dtype=torch.long).view(len(opened), t)).tolist()
        done += [((*tok, v), s + lp) for (tok, s), row in zip(opened, table) for v, lp in enumerate(row)]
        beam = sorted(done, key=lambda b: b[1], reverse=True)[:width]
    return beam


# %% wrong beam_search: a finished one can never be pushed out
def beam_search(step, width, length, end=None):
    if width < 1:
        raise ValueError("width")
    done, opened = [], [((), 0.0)]
    for t in range(length):
        if not opened or len(done) >= width:
            break
        table = step(torch.tensor([b[0] for b in opened], dtype=torch.long).view(len(opened), t)).tolist()
        fresh = [((*tok, v), s + lp) for (tok, s), row in zip(opened, table) for v, lp in enumerate(row)]
        fresh = sorted(fresh, key=lambda b: b[1], reverse=True)[: width - len(done)]
        done += [b for b in fresh if b[0][-1] == end]
        opened = [b for b in fresh if b[0][-1] != end]
    return sorted(done + opened, key=lambda b: b[1], reverse=True)[:width]


# %% wrong beam_search: refuses a width of 0, but not -1
def beam_search(step, width, length, end=None):
    if width == 0:
        raise ValueError("width")
    beam = [((), 0.0)]
    for t in range(length):
        done = [b for b in beam if end is not None and b[0] and b[0][-1] == end]
        opened = [b for b in beam if not (end is not None and b[0] and b[0][-1] == end)]
        if not opened:
            break
        table = step(torch.tensor([b[0] for b in opened], dtype=torch.long).view(len(opened), t)).tolist()
        done += [((*tok, v), s + lp) for (tok, s), row in zip(opened, table) for v, lp in enumerate(row)]
        beam = sorted(done, key=lambda b: b[1], reverse=True)[:width]
    return beam


# %% wrong beam_search: scores are tensors
def beam_search(step, width, length, end=None):
    if width < 1:
        raise ValueError("width")
    beam = [((), 0.0)]
    for t in range(length):
        done = [b for b in beam if end is not None and b[0] and b[0][-1] == end]
        opened = [b for b in beam if not (end is not None and b[0] and b[0][-1] == end)]
        if not opened:
            break
        table = step(torch.tensor([b[0] for b in opened], dtype=torch.long).view(len(opened), t))
        done += [((*tok, v), s + lp) for (tok, s), row in zip(opened, table) for v, lp in enumerate(row)]
        beam = sorted(done, key=lambda b: b[1], reverse=True)[:width]
    return beam


# %% wrong beam_search: tokens are numpy's integers
def beam_search(step, width, length, end=None):
    if width < 1:
        raise ValueError("width")
    beam = [((), 0.0)]
    for t in range(length):
        done = [b for b in beam if end is not None and b[0] and b[0][-1] == end]
        opened = [b for b in beam if not (end is not None and b[0] and b[0][-1] == end)]
        if not opened:
            break
        table = step(torch.tensor([b[0] for b in opened], dtype=torch.long).view(len(opened), t)).tolist()
        done += [((*tok, np.int64(v)), s + lp) for (tok, s), row in zip(opened, table) for v, lp in enumerate(row)]
        beam = sorted(done, key=lambda b: b[1], reverse=True)[:width]
    return beam


# %% wrong beam_search: compares rounded scores
def beam_search(step, width, length, end=None):
    if width < 1:
        raise ValueError("width")
    beam = [((), 0.0)]
    for t in range(length):
        done = [b for b in beam if end is not None and b[0] and b[0][-1] == end]
        opened = [b for b in beam if not (end is not None and b[0] and b[0][-1] == end)]
        if not opened:
            break
        table = step(torch.tensor([b[0] for b in opened], dtype=torch.long).view(len(opened), t)).tolist()
        done += [((*tok, v), s + lp) for (tok, s), row in zip(opened, table) for v, lp in enumerate(row)]
        beam = sorted(done, key=lambda b: round(b[1], 2), reverse=True)[:width]
    return beam


# %% right beam_search: all candidates as one tensor, with a length penalty as an option
def beam_search(step, width, length, end=None, penalty=0.0):
    if width < 1:
        raise ValueError("width")
    tokens, scores, done = torch.zeros(1, 0, dtype=torch.long), torch.zeros(1, dtype=torch.float64), []
    for _ in range(length):
        if len(tokens) == 0:
            break
        log_p = step(tokens).double()
        V = log_p.shape[1]
        flat = (scores[:, None] + log_p).flatten()
        best = flat.argsort(descending=True)[:width]
        grown = torch.cat([tokens[best // V], (best % V)[:, None]], dim=1)
        everything = done + [(tuple(t), s) for t, s in zip(grown.tolist(), flat[best].tolist())]
        everything = sorted(everything, key=lambda pair: -pair[1] / len(pair[0]) ** penalty)[:width]
        done = [pair for pair in everything if pair[0][-1] == end]
        live = [pair for pair in everything if pair[0][-1] != end]
        tokens = torch.tensor([t for t, _ in live], dtype=torch.long).view(len(live), grown.shape[1])
        scores = torch.tensor([s for _, s in live], dtype=torch.float64)
    live = [(tuple(t), s) for t, s in zip(tokens.tolist(), scores.tolist())]
    return sorted(done + live, key=lambda pair: -pair[1])[:width]


# %% right beam_search: a heap of candidates, one call of step a prefix
def beam_search(step, width, length, end=None):
    import heapq

    if width < 1:
        raise ValueError("width")
    beam = [(0.0, ())]
    for _ in range(length):
        pool = []
        for score, tokens in beam:
            if tokens and tokens[-1] == end:
                pool.append((score, tokens))
            else:
                row = step(torch.tensor(tokens, dtype=torch.long)[None])[0]
                pool.extend((score + float(x), tokens + (v,)) for v, x in enumerate(row))
        beam = heapq.nlargest(width, pool)
        if all(tokens[-1] == end for _, tokens in beam):
            break
    return [(tokens, score) for score, tokens in beam]


# %% right beam_search: one flat topk over finished ones and extensions
def beam_search(step, width, length, end=None):
    if width < 1:
        raise ValueError("width")
    done, tokens, scores = [], torch.zeros(1, 0, dtype=torch.long), torch.zeros(1, dtype=torch.float64)
    for _ in range(length):
        if len(tokens) == 0:
            break
        log_p = step(tokens).detach().cpu().double()
        V = log_p.shape[1]
        flat = (scores[:, None] + log_p).flatten()
        everything = torch.cat([torch.tensor([s for _, s in done], dtype=torch.float64), flat])
        best = everything.topk(min(width, len(everything))).indices
        old = [done[i] for i in best.tolist() if i < len(done)]
        new = best[best >= len(done)] - len(done)
        rows = torch.cat([tokens[new // V], (new % V)[:, None]], dim=1)
        values = flat[new]
        ended = rows[:, -1] == end if end is not None else torch.zeros(len(rows), dtype=torch.bool)
        done = old + [(tuple(r), s) for r, s in zip(rows[ended].tolist(), values[ended].tolist())]
        tokens, scores = rows[~ended], values[~ended]
    both = done + [(tuple(r), s) for r, s in zip(tokens.tolist(), scores.tolist())]
    return sorted(both, key=lambda b: -b[1])


# %% wrong sample_next: drops the batch's axis for one row
def sample_next(
    logits: Float[Tensor, "batch V"], temperature: float, generator: torch.Generator
) -> Int[Tensor, " batch"]:
    if temperature < 0:
        raise ValueError(f"the temperature must be at least 0, not {temperature}")
    if temperature == 0:
        return logits.argmax(dim=-1)  # (B,)
    probabilities = torch.softmax(logits / temperature, dim=-1)  # (B, V)
    return torch.multinomial(probabilities, 1, generator=generator).squeeze()  # (B,)


# %% wrong sample_next: draws from the ten likeliest only
def sample_next(
    logits: Float[Tensor, "batch V"], temperature: float, generator: torch.Generator
) -> Int[Tensor, " batch"]:
    if temperature < 0:
        raise ValueError(f"the temperature must be at least 0, not {temperature}")
    if temperature == 0:
        return logits.argmax(dim=-1)  # (B,)
    logits = logits.masked_fill(logits < logits.topk(min(10, logits.shape[-1])).values[:, -1:], -math.inf)
    probabilities = torch.softmax(logits / temperature, dim=-1)  # (B, V)
    return torch.multinomial(probabilities, 1, generator=generator).squeeze(-1)  # (B,)


# %% wrong train_chunk: leaves the model in evaluation mode
def train_chunk(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    inputs: Int[Tensor, "batch time"],
    targets: Int[Tensor, "batch time"],
    state: Tensor | tuple[Tensor, ...] | None,
    limit: float,
) -> tuple[float, float, Tensor | tuple[Tensor, ...]]:

    def cut(state):
        if isinstance(state, tuple):
            return tuple(part.detach() for part in state)
        return None if state is None else state.detach()

    model.eval()
    logits, state = model(inputs, cut(state))  # (B, T, V)
    loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
    optimizer.zero_grad()
    loss.backward()
    norm = clip_gradients(model.parameters(), limit)
    optimizer.step()
    return loss.item(), norm, cut(state)


# %% wrong beam_search: at most three successors of one hypothesis
def beam_search(step: Callable, width: int, length: int, end: int | None = None) -> list[tuple[tuple[int, ...], float]]:
    if width < 1:
        raise ValueError(f"the width must be at least 1, not {width}")
    beam = [((), 0.0)]
    for _ in range(length):
        candidates = [(tokens, score) for tokens, score in beam if tokens and tokens[-1] == end]  # finished
        open_ones = [(tokens, score) for tokens, score in beam if not tokens or tokens[-1] != end]
        if not open_ones:
            break
        prefixes = torch.tensor([tokens for tokens, _ in open_ones], dtype=torch.long).view(len(open_ones), -1)
        log_p = step(prefixes)  # (M, V)
        values, best = log_p.topk(min(width, 3, log_p.shape[1]), dim=-1)  # no row can place more than `width`
        for (tokens, score), row, chosen in zip(open_ones, values.tolist(), best.tolist()):
            candidates += [((*tokens, v), score + value) for v, value in zip(chosen, row)]
        beam = sorted(candidates, key=lambda pair: -pair[1])[:width]
    return beam
