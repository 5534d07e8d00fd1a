# Answers to week 1 that its graders must tell apart. Each cell replaces the student's cell of that name.

# %% wrong batched: fills a list of everything first
def batched(items, size):
    if size < 1:
        raise ValueError("size must be at least 1")
    everything = list(items)
    return iter([everything[i : i + size] for i in range(0, len(everything), size)])


# %% wrong batched: drops the short last batch
def batched(items, size):
    if size < 1:
        raise ValueError("size must be at least 1")
    batch = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []


# %% wrong batched: yields an empty batch when the stream fills its batches exactly
def batched(items, size):
    if size < 1:
        raise ValueError("size must be at least 1")
    batch = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    yield batch


# %% wrong batched: stops at the first item that counts as false
def batched(items, size):
    if size < 1:
        raise ValueError("size must be at least 1")
    source, first = iter(items), True
    batch = []
    for item in source:
        if not item and not first:
            break
        first = False
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


# %% wrong batched: hands out one list that it empties and fills again
def batched(items, size):
    if size < 1:
        raise ValueError("size must be at least 1")
    batch = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch.clear()
    if batch:
        yield batch


# %% wrong batched: takes one item more than the batch holds
def batched(items, size):
    if size < 1:
        raise ValueError("size must be at least 1")
    batch = []
    for item in items:
        if len(batch) == size:
            yield batch
            batch = []
        batch.append(item)
    if batch:
        yield batch


# %% wrong batched: fills the last batch up with None
def batched(items, size):
    if size < 1:
        raise ValueError("size must be at least 1")
    return (list(batch) for batch in itertools.zip_longest(*[iter(items)] * size))


# %% wrong batched: hands out tuples
def batched(items, size):
    if size < 1:
        raise ValueError("size must be at least 1")
    items = iter(items)
    while batch := tuple(itertools.islice(items, size)):
        yield batch


# %% right batched: islice takes a batch at a time
def batched(items, size):
    if size < 1:
        raise ValueError("size must be at least 1")
    source = iter(items)
    while batch := list(itertools.islice(source, size)):
        yield batch


# %% right batched: an iterator class that checks its size at once
class batched:
    def __init__(self, items, size):
        if size < 1:
            raise ValueError(f"{size} is no batch size")
        self.source, self.size = iter(items), size

    def __iter__(self):
        return self

    def __next__(self):
        batch = [item for _, item in zip(range(self.size), self.source)]
        if not batch:
            raise StopIteration
        return batch


# %% wrong strides_of: C and Fortran order exchanged
def strides_of(shape, itemsize, order="C"):
    if order not in ("C", "F"):
        raise ValueError(order)
    before = [itemsize * int(np.prod(shape[:k], dtype=int)) for k in range(len(shape))]
    after = [itemsize * int(np.prod(shape[k + 1 :], dtype=int)) for k in range(len(shape))]
    return tuple(before if order == "C" else after)


# %% wrong strides_of: counts elements, not bytes
def strides_of(shape, itemsize, order="C"):
    if order not in ("C", "F"):
        raise ValueError(order)
    if order == "F":
        return tuple(int(np.prod(shape[:k], dtype=int)) for k in range(len(shape)))
    return tuple(int(np.prod(shape[k + 1 :], dtype=int)) for k in range(len(shape)))


# %% wrong strides_of: Fortran order is C order read backwards
def strides_of(shape, itemsize, order="C"):
    if order not in ("C", "F"):
        raise ValueError(order)
    strides = tuple(itemsize * int(np.prod(shape[k + 1 :], dtype=int)) for k in range(len(shape)))
    return strides if order == "C" else strides[::-1]


# %% wrong strides_of: Fortran order exchanges the last two axes only, right for matrices
def strides_of(shape, itemsize, order="C"):
    if order not in ("C", "F"):
        raise ValueError(order)
    lengths = list(shape)
    if order == "F" and len(shape) >= 2:
        lengths[-2:] = lengths[:-3:-1]
    strides = [itemsize * int(np.prod(lengths[k + 1 :], dtype=int)) for k in range(len(shape))]
    if order == "F" and len(shape) >= 2:
        strides[-2:] = strides[:-3:-1]
    return tuple(strides)


# %% wrong strides_of: the stride includes the axis itself
def strides_of(shape, itemsize, order="C"):
    if order not in ("C", "F"):
        raise ValueError(order)
    if order == "F":
        return tuple(itemsize * int(np.prod(shape[: k + 1], dtype=int)) for k in range(len(shape)))
    return tuple(itemsize * int(np.prod(shape[k:], dtype=int)) for k in range(len(shape)))


# %% wrong strides_of: makes an array and asks it
def strides_of(shape, itemsize, order="C"):
    if order not in ("C", "F"):
        raise ValueError(f"no such order: {order}")
    return np.empty(shape, dtype=f"V{itemsize}", order=order).strides


# %% right strides_of: running products with accumulate
def strides_of(shape, itemsize, order="C"):
    if order == "F":
        return tuple(itertools.accumulate(shape[:-1], lambda a, b: a * b, initial=itemsize)) if shape else ()
    if order == "C":
        return strides_of(shape[::-1], itemsize, "F")[::-1]
    raise ValueError(f"unknown order {order}")


# %% right strides_of: a product for each axis
def strides_of(shape, itemsize, order="C"):
    if order not in {"C", "F"}:
        raise ValueError("order must be C or F")
    faster = (lambda k: shape[k + 1 :]) if order == "C" else (lambda k: shape[:k])
    return tuple(itemsize * int(np.prod(faster(k), dtype=int)) for k in range(len(shape)))


# %% wrong read_batch: takes the planes for interleaved pixels
def read_batch(path):
    raw = np.fromfile(path, np.uint8)
    if raw.size == 0 or raw.size % 3073:
        raise ValueError(f"{path} is empty or has {raw.size % 3073} bytes left over")
    records = raw.reshape(-1, 3073)
    bad = np.flatnonzero(records[:, 0] > 9)
    if bad.size:
        raise ValueError(f"{path}: bad label in record {bad[0]}")
    return np.ascontiguousarray(records[:, 1:].reshape(-1, 32, 32, 3).transpose(0, 3, 1, 2)), records[:, 0].copy()


# %% wrong read_batch: rows and columns exchanged
def read_batch(path):
    raw = np.fromfile(path, np.uint8)
    if raw.size == 0 or raw.size % 3073:
        raise ValueError(f"{path} is empty or has {raw.size % 3073} bytes left over")
    records = raw.reshape(-1, 3073)
    bad = np.flatnonzero(records[:, 0] > 9)
    if bad.size:
        raise ValueError(f"{path}: bad label in record {bad[0]}")
    return np.ascontiguousarray(records[:, 1:].reshape(-1, 3, 32, 32).swapaxes(2, 3)), records[:, 0].copy()


# %% wrong read_batch: read-only views of a bytes object
def read_batch(path):
    raw = np.frombuffer(Path(path).read_bytes(), np.uint8)
    if raw.size == 0 or raw.size % 3073:
        raise ValueError(f"{path} is empty or has {raw.size % 3073} bytes left over")
    records = raw.reshape(-1, 3073)
    bad = np.flatnonzero(records[:, 0] > 9)
    if bad.size:
        raise ValueError(f"{path}: bad label in record {bad[0]}")
    return records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0]


# %% wrong read_batch: a label of 10 passes
def read_batch(path):
    raw = np.fromfile(path, np.uint8)
    if raw.size == 0 or raw.size % 3073:
        raise ValueError(f"{path} is empty or has {raw.size % 3073} bytes left over")
    records = raw.reshape(-1, 3073)
    bad = np.flatnonzero(records[:, 0] > 10)
    if bad.size:
        raise ValueError(f"{path}: bad label in record {bad[0]}")
    return np.ascontiguousarray(records[:, 1:]).reshape(-1, 3, 32, 32), records[:, 0].copy()


# %% wrong read_batch: cuts off what is left over
def read_batch(path):
    raw = np.fromfile(path, np.uint8)
    if raw.size == 0:
        raise ValueError(f"{path} is empty")
    records = raw[: raw.size // 3073 * 3073].reshape(-1, 3073)
    bad = np.flatnonzero(records[:, 0] > 9)
    if bad.size:
        raise ValueError(f"{path}: bad label in record {bad[0]}")
    return np.ascontiguousarray(records[:, 1:]).reshape(-1, 3, 32, 32), records[:, 0].copy()


# %% wrong read_batch: the label is looked for at the end of the record
def read_batch(path):
    raw = np.fromfile(path, np.uint8)
    if raw.size == 0 or raw.size % 3073:
        raise ValueError(f"{path} is empty or has {raw.size % 3073} bytes left over")
    records = raw.reshape(-1, 3073)
    bad = np.flatnonzero(records[:, 0] > 9)
    if bad.size:
        raise ValueError(f"{path}: bad label in record {bad[0]}")
    return np.ascontiguousarray(records[:, :-1]).reshape(-1, 3, 32, 32), records[:, -1].copy()


# %% right read_batch: a structured type describes the record
def read_batch(path):
    record = np.dtype([("label", "u1"), ("image", "u1", (3, 32, 32))])
    content = Path(path).read_bytes()
    whole, rest = divmod(len(content), record.itemsize)
    if not content:
        raise ValueError(f"empty file: {path}")
    if rest:
        raise ValueError(f"{path} ends inside a record: {whole} records and {rest} bytes")
    records = np.frombuffer(content, record)
    for number, label in enumerate(records["label"].tolist()):
        if label > 9:
            raise ValueError(f"{path}: label {label} in record {number}")
    return records["image"].copy(), records["label"].copy()


# %% right read_batch: record by record into arrays made beforehand
def read_batch(path):
    size = Path(path).stat().st_size
    if size == 0:
        raise ValueError(f"nothing in {path}: it is Empty")
    if size % 3073 != 0:
        raise ValueError(f"{path}: the last record is cut after {size % 3073} bytes")
    images, labels = np.empty((size // 3073, 3, 32, 32), np.uint8), np.empty(size // 3073, np.uint8)
    with open(path, "rb") as file:
        for number in range(len(images)):
            labels[number] = file.read(1)[0]
            if labels[number] >= 10:
                raise ValueError(f"record {number} of {path} is mislabelled: {labels[number]}")
            for plane in range(3):
                images[number, plane] = np.frombuffer(file.read(1024), np.uint8).reshape(32, 32)
    return images, labels


# %% wrong channel_statistics: everything in float64 at once
def channel_statistics(images):
    everything = images.astype(np.float64)
    return everything.mean(axis=(0, 2, 3)).astype(np.float32), everything.std(axis=(0, 2, 3)).astype(np.float32)


# %% wrong channel_statistics: averages the deviations of single images
def channel_statistics(images):
    pieces = [images[i : i + 500] for i in range(0, len(images), 500)]
    mean = sum(piece.mean(axis=(2, 3)).sum(axis=0) for piece in pieces) / len(images)
    std = sum(piece.std(axis=(2, 3)).sum(axis=0) for piece in pieces) / len(images)
    return mean.astype(np.float32), std.astype(np.float32)


# %% wrong channel_statistics: squares in uint8
def channel_statistics(images):
    count = images.size // 3
    mean = images.sum(axis=(0, 2, 3)) / count
    square = sum((images[i : i + 500] ** 2).sum(axis=(0, 2, 3)) for i in range(0, len(images), 500)) / count
    return mean.astype(np.float32), np.sqrt(np.maximum(square - mean**2, 0)).astype(np.float32)


# %% wrong channel_statistics: averages over pieces as if all were of one size
def channel_statistics(images):
    pieces = [images[i : i + 1000].astype(np.float64) for i in range(0, min(len(images), 3000), 1000)]
    mean = np.mean([piece.mean(axis=(0, 2, 3)) for piece in pieces], axis=0)
    square = np.mean([(piece**2).mean(axis=(0, 2, 3)) for piece in pieces], axis=0)
    return mean.astype(np.float32), np.sqrt(square - mean**2).astype(np.float32)


# %% wrong channel_statistics: sums in float32, which is too coarse for the difference
def channel_statistics(images):
    total, squares = np.zeros(3, np.float32), np.zeros(3, np.float32)
    for start in range(0, len(images), 500):
        piece = images[start : start + 500].astype(np.float32)
        total += piece.sum(axis=(0, 2, 3))
        squares += (piece**2).sum(axis=(0, 2, 3))
    count = np.float32(images.size // 3)
    mean = total / count
    return mean, np.sqrt(np.maximum(squares / count - mean**2, 0))


# %% wrong channel_statistics: in units of 0 to 1
def channel_statistics(images):
    total, squares = np.zeros(3), np.zeros(3)
    for start in range(0, len(images), 500):
        piece = images[start : start + 500] / 255
        total += piece.sum(axis=(0, 2, 3))
        squares += (piece**2).sum(axis=(0, 2, 3))
    mean = total / (images.size // 3)
    return mean.astype(np.float32), np.sqrt(squares / (images.size // 3) - mean**2).astype(np.float32)


# %% right channel_statistics: from a histogram of grey levels
def channel_statistics(images):
    counts = np.zeros((3, 256), np.int64)
    for start in range(0, len(images), 256):
        for channel in range(3):
            counts[channel] += np.bincount(images[start : start + 256, channel].ravel(), minlength=256)
    share = counts / counts.sum(axis=1, keepdims=True)
    levels = np.arange(256)
    mean = share @ levels
    std = np.sqrt((share * (levels - mean[:, None]) ** 2).sum(axis=1))
    return mean.astype(np.float32), std.astype(np.float32)


# %% right channel_statistics: two passes, the mean first, image by image
def channel_statistics(images):
    count = len(images) * 1024
    mean = np.array([images[:, c].sum(dtype=np.uint64) / count for c in range(3)])
    deviation = np.zeros(3)
    for image in images:
        deviation += ((image - mean[:, None, None]) ** 2).sum(axis=(1, 2))
    return np.float32(mean), np.float32(np.sqrt(deviation / count))


# %% right channel_statistics: channel by channel, image by image in whole numbers
def channel_statistics(images):
    mean, std = np.empty(3), np.empty(3)
    for channel in range(3):
        sums = [(int(i.sum(dtype=np.int64)), int(np.square(i.astype(np.int64)).sum())) for i in images[:, channel]]
        count = images[:, channel].size
        mean[channel] = sum(s for s, _ in sums) / count
        std[channel] = (sum(q for _, q in sums) / count - mean[channel] ** 2) ** 0.5
    return mean.astype(np.float32), std.astype(np.float32)


# %% wrong normalise: subtracts in uint8, which wraps
def normalise(batch, mean, std):
    shifted = batch - mean.astype(np.uint8)[:, None, None]
    return np.ascontiguousarray(shifted / std.astype(np.float32)[:, None, None], dtype=np.float32)


# %% wrong normalise: keeps the order of its input in memory
def normalise(batch, mean, std):
    return (batch.astype(np.float32) - mean[:, None, None]) / std[:, None, None]


# %% wrong normalise: hands out one buffer again and again
def normalise(batch, mean, std, buffers={}):
    out = buffers.setdefault(batch.shape, np.empty(batch.shape, np.float32))
    np.subtract(batch, mean[:, None, None], out=out)
    out /= std[:, None, None]
    return out


# %% wrong normalise: by the batch's own statistics
def normalise(batch, mean, std):
    own_mean, own_std = batch.mean(axis=(0, 2, 3), keepdims=True), batch.std(axis=(0, 2, 3), keepdims=True)
    return np.ascontiguousarray((batch - own_mean) / (own_std + 1e-6), dtype=np.float32)


# %% wrong normalise: divides by the variance
def normalise(batch, mean, std):
    return np.ascontiguousarray((batch - mean[:, None, None]) / std[:, None, None] ** 2, dtype=np.float32)


# %% wrong normalise: rounds the mean to whole grey levels
def normalise(batch, mean, std):
    out = batch.astype(np.int16) - np.rint(mean).astype(np.int16)[:, None, None]
    return np.ascontiguousarray(out / std[:, None, None], dtype=np.float32)


# %% right normalise: a table of 256 results per channel
def normalise(batch, mean, std):
    table = ((np.arange(256) - mean[:, None].astype(np.float64)) / std[:, None]).astype(np.float32)  # (3, 256)
    out = np.empty(batch.shape, np.float32)
    for channel in range(3):
        out[:, channel] = table[channel][batch[:, channel]]
    return out


# %% right normalise: channels last inside
def normalise(batch, mean, std):
    return np.ascontiguousarray(((batch.transpose(0, 2, 3, 1) - mean) / std).transpose(0, 3, 1, 2), dtype=np.float32)


# %% wrong random_flip: turns images upside down
def random_flip(batch, rng):
    out = batch.copy()
    chosen = rng.random(len(batch)) < 0.5
    out[chosen] = out[chosen][:, :, ::-1]
    return out


# %% wrong random_flip: one coin for the whole batch
def random_flip(batch, rng):
    return batch[..., ::-1].copy() if rng.random() < 0.5 else batch.copy()


# %% wrong random_flip: reverses the channels as well
def random_flip(batch, rng):
    out = batch.copy()
    chosen = rng.random(len(batch)) < 0.5
    out[chosen] = out[chosen][:, ::-1, :, ::-1]
    return out


# %% wrong random_flip: writes into the batch it was given
def random_flip(batch, rng):
    chosen = rng.random(len(batch)) < 0.5
    batch[chosen] = batch[chosen][..., ::-1]
    return batch


# %% wrong random_flip: always exactly half of the batch
def random_flip(batch, rng):
    out = batch.copy()
    chosen = rng.permutation(len(batch))[: len(batch) // 2]
    out[chosen] = out[chosen][..., ::-1]
    return out


# %% wrong random_flip: one image in three
def random_flip(batch, rng):
    out = batch.copy()
    chosen = rng.integers(0, 3, len(batch)) == 0
    out[chosen] = out[chosen][..., ::-1]
    return out


# %% wrong random_flip: makes its own generator, with the same seed each time
def random_flip(batch, rng):
    rng = np.random.default_rng(0)
    chosen = (rng.random(len(batch)) < 0.5)[:, None, None, None]
    return np.where(chosen, batch[..., ::-1], batch)


# %% wrong random_flip: hands out the batch itself when no image is mirrored
def random_flip(batch, rng):
    mirrored = rng.random(len(batch)) < 0.5
    if not mirrored.any():
        return batch
    out = batch.copy()
    out[mirrored] = batch[mirrored, :, :, ::-1]
    return out


# %% right random_flip: where, with a mask that broadcasts
def random_flip(batch, rng):
    mask = rng.integers(0, 2, size=(len(batch), 1, 1, 1)).astype(bool)
    return np.where(mask, np.flip(batch, axis=-1), batch)


# %% right random_flip: a loop over the images
def random_flip(batch, rng):
    out = np.empty_like(batch)
    for i, image in enumerate(batch):
        out[i] = image[:, :, ::-1] if rng.random() >= 0.5 else image
    return out


# %% right random_flip: multiplies the column numbers by the coin
def random_flip(batch, rng):
    coins = rng.integers(0, 2, len(batch))
    columns = np.where(coins[:, None] == 1, np.arange(32)[::-1], np.arange(32))
    return np.take_along_axis(batch, columns[:, None, None, :], axis=3)


# %% wrong random_crop: one offset for the whole batch
def random_crop(batch, rng, padding=4):
    padded = np.pad(batch, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    dy, dx = rng.integers(0, 2 * padding + 1, size=2)
    return padded[:, :, dy : dy + 32, dx : dx + 32].copy()


# %% wrong random_crop: the last offset is never drawn
def random_crop(batch, rng, padding=4):
    padded = np.pad(batch, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    out = np.empty_like(batch)
    for i in range(len(batch)):
        dy, dx = rng.integers(0, max(2 * padding, 1), size=2)
        out[i] = padded[i, :, dy : dy + 32, dx : dx + 32]
    return out


# %% wrong random_crop: the same offset for rows and columns
def random_crop(batch, rng, padding=4):
    padded = np.pad(batch, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    out = np.empty_like(batch)
    for i, d in enumerate(rng.integers(0, 2 * padding + 1, size=len(batch))):
        out[i] = padded[i, :, d : d + 32, d : d + 32]
    return out


# %% wrong random_crop: rolls the image round instead of padding
def random_crop(batch, rng, padding=4):
    out = np.empty_like(batch)
    for i, (dy, dx) in enumerate(rng.integers(-padding, padding + 1, size=(len(batch), 2))):
        out[i] = np.roll(batch[i], (dy, dx), axis=(1, 2))
    return out


# %% wrong random_crop: repeats the edge instead of padding with zeros
def random_crop(batch, rng, padding=4):
    padded = np.pad(batch, ((0, 0), (0, 0), (padding, padding), (padding, padding)), mode="edge")
    out = np.empty_like(batch)
    for i, (dy, dx) in enumerate(rng.integers(0, 2 * padding + 1, size=(len(batch), 2))):
        out[i] = padded[i, :, dy : dy + 32, dx : dx + 32]
    return out


# %% wrong random_crop: offsets near the middle are likelier
def random_crop(batch, rng, padding=4):
    padded = np.pad(batch, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    dy, dx = np.clip(np.rint(rng.normal(padding, max(padding / 2, 0.5), size=(2, len(batch)))), 0, 2 * padding).astype(int)
    return sliding_window_view(padded, (32, 32), axis=(2, 3))[np.arange(len(batch)), :, dy, dx]


# %% wrong random_crop: always pads by 4
def random_crop(batch, rng, padding=4):
    padded = np.pad(batch, ((0, 0), (0, 0), (4, 4), (4, 4)))
    dy, dx = rng.integers(0, 9, size=(2, len(batch)))
    return sliding_window_view(padded, (32, 32), axis=(2, 3))[np.arange(len(batch)), :, dy, dx]


# %% wrong random_crop: shifts every channel on its own
def random_crop(batch, rng, padding=4):
    planes = batch.reshape(-1, 32, 32)
    padded = np.pad(planes, ((0, 0), (padding, padding), (padding, padding)))
    dy, dx = rng.integers(0, 2 * padding + 1, size=(2, len(planes)))
    return sliding_window_view(padded, (32, 32), axis=(1, 2))[np.arange(len(planes)), dy, dx].reshape(batch.shape)


# %% wrong random_crop: hands out the batch itself for a padding of 0
def random_crop(batch, rng, padding=4):
    if padding == 0:
        return batch
    count, channels, height, width = batch.shape
    padded = np.pad(batch, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    dy, dx = rng.integers(0, 2 * padding + 1, size=(2, count))
    windows = sliding_window_view(padded, (height, width), axis=(2, 3))
    return windows[np.arange(count), :, dy, dx]


# %% right random_crop: a loop of slices
def random_crop(batch, rng, padding=4):
    padded = np.pad(batch, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    crops = []
    for image in padded:
        dy = rng.integers(2 * padding + 1)
        dx = rng.integers(0, 2 * padding, endpoint=True)
        crops.append(image[:, dy : dy + 32, dx : dx + 32])
    return np.stack(crops)


# %% right random_crop: index maps for rows and columns
def random_crop(batch, rng, padding=4):
    framed = np.zeros((len(batch), 3, 32 + 2 * padding, 32 + 2 * padding), batch.dtype)
    framed[:, :, padding : padding + 32, padding : padding + 32] = batch
    corner = rng.integers(0, (2 * padding + 1) ** 2, size=len(batch))
    rows = corner[:, None] // (2 * padding + 1) + np.arange(32)
    columns = corner[:, None] % (2 * padding + 1) + np.arange(32)
    kept = np.take_along_axis(framed, rows[:, None, :, None], axis=2)
    return np.take_along_axis(kept, columns[:, None, None, :], axis=3)


# %% right random_crop: channels last inside, transposed at the end
def random_crop(batch, rng, padding=4):
    last = np.pad(batch.transpose(0, 2, 3, 1), ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    dx, dy = rng.integers(0, 2 * padding + 1, size=(2, len(batch)))
    out = np.empty((len(batch), 32, 32, 3), np.uint8)
    for i in range(len(batch)):
        out[i] = last[i, dy[i] : dy[i] + 32, dx[i] : dx[i] + 32]
    return out.transpose(0, 3, 1, 2)


# %% wrong epoch: images and labels are shuffled separately
def epoch(images, labels, batch_size, rng, mean, std, augment=True):
    order, other = rng.permutation(len(images)), rng.permutation(len(images))
    for start in range(0, len(order), batch_size):
        batch = images[order[start : start + batch_size]]
        if augment:
            batch = random_crop(random_flip(batch, rng), rng)
        yield normalise(batch, mean, std), labels[other[start : start + batch_size]]


# %% wrong epoch: drops the last, smaller batch
def epoch(images, labels, batch_size, rng, mean, std, augment=True):
    order = rng.permutation(len(images))
    for start in range(0, len(order) - batch_size + 1, batch_size):
        chosen = order[start : start + batch_size]
        batch = random_crop(random_flip(images[chosen], rng), rng) if augment else images[chosen]
        yield normalise(batch, mean, std), labels[chosen]


# %% wrong epoch: draws with replacement
def epoch(images, labels, batch_size, rng, mean, std, augment=True):
    order = rng.integers(0, len(images), size=len(images))
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        batch = random_crop(random_flip(images[chosen], rng), rng) if augment else images[chosen]
        yield normalise(batch, mean, std), labels[chosen]


# %% wrong epoch: shuffles the batches, not the images
def epoch(images, labels, batch_size, rng, mean, std, augment=True):
    starts = np.arange(0, len(images), batch_size)
    rng.shuffle(starts[:-1])
    for start in starts:
        chosen = start + rng.permutation(min(batch_size, len(images) - start))
        batch = random_crop(random_flip(images[chosen], rng), rng) if augment else images[chosen]
        yield normalise(batch, mean, std), labels[chosen]


# %% wrong epoch: the same order in every epoch
def epoch(images, labels, batch_size, rng, mean, std, augment=True):
    order = np.random.default_rng(0).permutation(len(images))
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        batch = random_crop(random_flip(images[chosen], rng), rng) if augment else images[chosen]
        yield normalise(batch, mean, std), labels[chosen]


# %% wrong epoch: makes the whole epoch at once
def epoch(images, labels, batch_size, rng, mean, std, augment=True):
    order = rng.permutation(len(images))
    everything = images[order]
    if augment:
        everything = random_crop(random_flip(everything, rng), rng)
    everything, found = normalise(everything, mean, std), labels[order]
    return iter([(everything[i : i + batch_size], found[i : i + batch_size]) for i in range(0, len(order), batch_size)])


# %% wrong epoch: shuffles the data set itself
def epoch(images, labels, batch_size, rng, mean, std, augment=True):
    order = rng.permutation(len(images))
    images[:], labels[:] = images[order], labels[order]
    for start in range(0, len(images), batch_size):
        batch, found = images[start : start + batch_size], labels[start : start + batch_size].copy()
        if augment:
            batch = random_crop(random_flip(batch, rng), rng)
        yield normalise(batch, mean, std), found


# %% wrong epoch: augments always
def epoch(images, labels, batch_size, rng, mean, std, augment=True):
    order = rng.permutation(len(images))
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        yield normalise(random_crop(random_flip(images[chosen], rng), rng), mean, std), labels[chosen]


# %% wrong epoch: never augments
def epoch(images, labels, batch_size, rng, mean, std, augment=True):
    order = rng.permutation(len(images))
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        yield normalise(images[chosen], mean, std), labels[chosen]


# %% wrong epoch: does not shuffle
def epoch(images, labels, batch_size, rng, mean, std, augment=True):
    for start in range(0, len(images), batch_size):
        batch = images[start : start + batch_size]
        if augment:
            batch = random_crop(random_flip(batch, rng), rng)
        yield normalise(batch, mean, std), labels[start : start + batch_size]


# %% wrong epoch: one buffer for all full batches
def epoch(images, labels, batch_size, rng, mean, std, augment=True):
    order = rng.permutation(len(images))
    buffer = np.empty((batch_size, 3, 32, 32), np.float32)
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        batch = random_crop(random_flip(images[chosen], rng), rng) if augment else images[chosen]
        buffer[: len(chosen)] = normalise(batch, mean, std)
        yield buffer[: len(chosen)], labels[chosen]


# %% wrong epoch: normalises before it crops, so that the padding is the mean and not black
def epoch(images, labels, batch_size, rng, mean, std, augment=True):
    order = rng.permutation(len(images))
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        batch = normalise(random_flip(images[chosen], rng) if augment else images[chosen], mean, std)
        if augment:
            padded = np.pad(batch, ((0, 0), (0, 0), (4, 4), (4, 4)))
            dy, dx = rng.integers(0, 9, size=(2, len(batch)))
            batch = np.stack([p[:, y : y + 32, x : x + 32] for p, y, x in zip(padded, dy, dx)])
        yield batch, labels[chosen]


# %% wrong epoch: crops and never flips
def epoch(images, labels, batch_size, rng, mean, std, augment=True):
    order = rng.permutation(len(images))
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        batch = images[chosen]
        yield normalise(random_crop(batch, rng) if augment else batch, mean, std), labels[chosen]


# %% wrong epoch: each image is altered in the same way in every epoch
def epoch(images, labels, batch_size, rng, mean, std, augment=True):
    order = rng.permutation(len(images))
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        batch = images[chosen]
        if augment:
            singles = [(images[i : i + 1], np.random.default_rng(i)) for i in chosen]
            batch = np.concatenate([random_crop(random_flip(image, own), own) for image, own in singles])
        yield normalise(batch, mean, std), labels[chosen]


# %% right epoch: a class, with an order drawn by sorting random numbers
class epoch:
    def __init__(self, images, labels, batch_size, rng, mean, std, augment=True):
        self.images, self.labels, self.rng, self.augment = images, labels, rng, augment
        self.mean, self.std = mean, std
        self.pieces = iter(batched(np.argsort(rng.random(len(images))).tolist(), batch_size))

    def __iter__(self):
        return self

    def __next__(self):
        piece = next(self.pieces)
        batch = self.images[piece]
        if self.augment:
            batch = random_flip(random_crop(batch, self.rng), self.rng)
        return normalise(batch, self.mean, self.std), self.labels[piece]


# %% right epoch: pads the data set once, cuts slices in float32
def epoch(images, labels, batch_size, rng, mean, std, augment=True):
    padded = np.pad(images, ((0, 0), (0, 0), (4, 4), (4, 4)))
    order = np.arange(len(images))
    rng.shuffle(order)
    for chosen in (order[i : i + batch_size] for i in range(0, len(order), batch_size)):
        batch = np.empty((len(chosen), 3, 32, 32), np.float32)
        for k, i in enumerate(chosen):
            y, x = rng.integers(0, 9, size=2) if augment else (4, 4)
            batch[k] = padded[i, :, y : y + 32, x : x + 32]
            if augment and rng.random() < 0.5:
                batch[k] = batch[k, :, :, ::-1].copy()
        yield (batch - mean[:, None, None]) / std[:, None, None], labels[chosen]
