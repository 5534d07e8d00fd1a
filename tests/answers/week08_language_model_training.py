# Answers to week 8 that its graders must tell apart. Each cell replaces the student's cell of that name.


# %% wrong pairs: a word is counted once, however often it occurs
Pair = tuple[int, int]


def count_pairs(words: Iterable[list[int]], times: Iterable[int]) -> Counter[Pair]:
    counts = Counter()
    for word, count in zip(words, times, strict=True):
        for pair in pairwise(word):
            counts[pair] += 1
    return counts


def merge_pair(word: list[int], pair: Pair, new: int) -> list[int]:
    joined, at = [], 0
    while at < len(word):
        if tuple(word[at : at + 2]) == pair:
            joined.append(new)
            at += 2
        else:
            joined.append(word[at])
            at += 1
    return joined


# %% wrong pairs: a pair is counted once a word
Pair = tuple[int, int]


def count_pairs(words: Iterable[list[int]], times: Iterable[int]) -> Counter[Pair]:
    counts = Counter()
    for word, count in zip(words, times, strict=True):
        for pair in set(pairwise(word)):
            counts[pair] += count
    return counts


def merge_pair(word: list[int], pair: Pair, new: int) -> list[int]:
    joined, at = [], 0
    while at < len(word):
        if tuple(word[at : at + 2]) == pair:
            joined.append(new)
            at += 2
        else:
            joined.append(word[at])
            at += 1
    return joined


# %% wrong pairs: words are joined, so pairs cross from one to the next
def count_pairs(words, times):
    text = [token for word, count in zip(words, times) for token in word * count]
    return Counter(pairwise(text))


def merge_pair(word, pair, new):
    joined, at = [], 0
    while at < len(word):
        if tuple(word[at : at + 2]) == pair:
            joined.append(new)
            at += 2
        else:
            joined.append(word[at])
            at += 1
    return joined


# %% wrong pairs: runs are counted without overlap
def count_pairs(words, times):
    counts = Counter()
    for word, count in zip(words, times):
        at = 0
        while at < len(word) - 1:
            counts[word[at], word[at + 1]] += count
            overlaps = at + 2 < len(word) and word[at] == word[at + 1] == word[at + 2]
            at += 2 if overlaps else 1
    return counts


def merge_pair(word, pair, new):
    joined, at = [], 0
    while at < len(word):
        if tuple(word[at : at + 2]) == pair:
            joined.append(new)
            at += 2
        else:
            joined.append(word[at])
            at += 1
    return joined


# %% wrong pairs: (1, 2) and (2, 1) are the same pair
Pair = tuple[int, int]


def count_pairs(words: Iterable[list[int]], times: Iterable[int]) -> Counter[Pair]:
    counts = Counter()
    for word, count in zip(words, times, strict=True):
        for pair in pairwise(word):
            counts[tuple(sorted(pair))] += count
    return counts


def merge_pair(word: list[int], pair: Pair, new: int) -> list[int]:
    joined, at = [], 0
    while at < len(word):
        if tuple(word[at : at + 2]) == pair:
            joined.append(new)
            at += 2
        else:
            joined.append(word[at])
            at += 1
    return joined


# %% wrong pairs: merges from the right
def count_pairs(words, times):
    counts = Counter()
    for word, count in zip(words, times):
        for pair in pairwise(word):
            counts[pair] += count
    return counts


def merge_pair(word, pair, new):
    joined, at = [], len(word)
    while at > 0:
        if tuple(word[max(at - 2, 0) : at]) == pair:
            joined.insert(0, new)
            at -= 2
        else:
            joined.insert(0, word[at - 1])
            at -= 1
    return joined


# %% wrong pairs: merges the first occurrence only
def count_pairs(words, times):
    counts = Counter()
    for word, count in zip(words, times):
        for pair in pairwise(word):
            counts[pair] += count
    return counts


def merge_pair(word, pair, new):
    for at in range(len(word) - 1):
        if (word[at], word[at + 1]) == pair:
            return word[:at] + [new] + word[at + 2 :]
    return list(word)


# %% wrong pairs: loses the last token where no pair ends the word
def count_pairs(words, times):
    counts = Counter()
    for word, count in zip(words, times):
        for pair in pairwise(word):
            counts[pair] += count
    return counts


def merge_pair(word, pair, new):
    joined, at = [], 0
    while at < len(word) - 1:
        if (word[at], word[at + 1]) == pair:
            joined.append(new)
            at += 2
        else:
            joined.append(word[at])
            at += 1
    if len(word) > 2 and at < len(word):
        joined.append(word[at])
    return joined


# %% wrong pairs: merges in the word that was handed in
def count_pairs(words, times):
    counts = Counter()
    for word, count in zip(words, times):
        for pair in pairwise(word):
            counts[pair] += count
    return counts


def merge_pair(word, pair, new):
    at = 0
    while at < len(word) - 1:
        if (word[at], word[at + 1]) == pair:
            word[at : at + 2] = [new]
        at += 1
    return word


# %% wrong pairs: sets of places instead of a walk, so that runs overlap
def count_pairs(words, times):
    counts = Counter()
    for word, count in zip(words, times):
        for pair in pairwise(word):
            counts[pair] += count
    return counts


def merge_pair(word, pair, new):
    places = {at for at in range(len(word) - 1) if (word[at], word[at + 1]) == pair}
    joined = []
    for at, token in enumerate(word):
        if at in places:
            joined.append(new)
        elif at - 1 not in places:
            joined.append(token)
    return joined


# %% right pairs: a dictionary of counts, and a merge that looks at the last token put out
def count_pairs(words, times):
    counts = defaultdict(int)
    for word, count in zip(words, times):
        for at in range(1, len(word)):
            counts[word[at - 1], word[at]] += count
    return counts


def merge_pair(word, pair, new):
    joined, open_ = [], False
    for token in word:
        if open_ and joined[-1] == pair[0] and token == pair[1]:
            joined[-1], open_ = new, False
        else:
            joined.append(token)
            open_ = True
    return joined


# %% right pairs: zip with itself, one counter a word; recursion
def count_pairs(words, times):
    total = Counter()
    for word, count in zip(words, times):
        total.update({pair: n * count for pair, n in Counter(zip(word[:-1], word[1:])).items()})
    return total


def merge_pair(word, pair, new):
    if len(word) < 2:
        return word[:]
    if word[0] == pair[0] and word[1] == pair[1]:
        return [new, *merge_pair(word[2:], pair, new)]
    return [word[0], *merge_pair(word[1:], pair, new)]


# %% wrong learn_merges: of equal pairs the smaller
def learn_merges(pieces: Counter[str], vocabulary: int) -> list[Pair]:
    words, times = [list(piece.encode("utf-8")) for piece in pieces], list(pieces.values())
    counts, where = count_pairs(words, times), defaultdict(set)
    for index, word in enumerate(words):
        for pair in pairwise(word):
            where[pair].add(index)
    merges = []
    for new in range(256, vocabulary):
        best = max(counts, key=lambda pair: (counts[pair], -pair[0], -pair[1]), default=None)
        if best is None or counts[best] == 0:
            break
        merges.append(best)
        for index in where.pop(best):
            for pair in pairwise(words[index]):
                counts[pair] -= times[index]
            words[index] = merge_pair(words[index], best, new)
            for pair in pairwise(words[index]):
                counts[pair] += times[index]
                where[pair].add(index)
    return merges


# %% wrong learn_merges: of equal pairs the one met first
def learn_merges(pieces: Counter[str], vocabulary: int) -> list[Pair]:
    words, times = [list(piece.encode("utf-8")) for piece in pieces], list(pieces.values())
    counts, where = count_pairs(words, times), defaultdict(set)
    for index, word in enumerate(words):
        for pair in pairwise(word):
            where[pair].add(index)
    merges = []
    for new in range(256, vocabulary):
        best = max(counts, key=counts.get, default=None)
        if best is None or counts[best] == 0:
            break
        merges.append(best)
        for index in where.pop(best):
            for pair in pairwise(words[index]):
                counts[pair] -= times[index]
            words[index] = merge_pair(words[index], best, new)
            for pair in pairwise(words[index]):
                counts[pair] += times[index]
                where[pair].add(index)
    return merges


# %% wrong learn_merges: of equal pairs the one whose second number is greater
def learn_merges(pieces: Counter[str], vocabulary: int) -> list[Pair]:
    words, times = [list(piece.encode("utf-8")) for piece in pieces], list(pieces.values())
    counts, where = count_pairs(words, times), defaultdict(set)
    for index, word in enumerate(words):
        for pair in pairwise(word):
            where[pair].add(index)
    merges = []
    for new in range(256, vocabulary):
        best = max(counts, key=lambda pair: (counts[pair], pair[1], pair[0]), default=None)
        if best is None or counts[best] == 0:
            break
        merges.append(best)
        for index in where.pop(best):
            for pair in pairwise(words[index]):
                counts[pair] -= times[index]
            words[index] = merge_pair(words[index], best, new)
            for pair in pairwise(words[index]):
                counts[pair] += times[index]
                where[pair].add(index)
    return merges


# %% wrong learn_merges: every word type counts once
def learn_merges(pieces: Counter[str], vocabulary: int) -> list[Pair]:
    words, times = [list(piece.encode("utf-8")) for piece in pieces], [1] * len(pieces)
    counts, where = count_pairs(words, times), defaultdict(set)
    for index, word in enumerate(words):
        for pair in pairwise(word):
            where[pair].add(index)
    merges = []
    for new in range(256, vocabulary):
        best = max(counts, key=lambda pair: (counts[pair], pair), default=None)
        if best is None or counts[best] == 0:
            break
        merges.append(best)
        for index in where.pop(best):
            for pair in pairwise(words[index]):
                counts[pair] -= times[index]
            words[index] = merge_pair(words[index], best, new)
            for pair in pairwise(words[index]):
                counts[pair] += times[index]
                where[pair].add(index)
    return merges


# %% wrong learn_merges: new pairs are added, old neighbours stay counted
def learn_merges(pieces: Counter[str], vocabulary: int) -> list[Pair]:
    words, times = [list(piece.encode("utf-8")) for piece in pieces], list(pieces.values())
    counts, where = count_pairs(words, times), defaultdict(set)
    for index, word in enumerate(words):
        for pair in pairwise(word):
            where[pair].add(index)
    merges = []
    for new in range(256, vocabulary):
        best = max(counts, key=lambda pair: (counts[pair], pair), default=None)
        if best is None or counts[best] == 0:
            break
        merges.append(best)
        for index in where.pop(best):
            for pair in pairwise(words[index]):
                counts[pair] -= times[index] * (pair == best)
            words[index] = merge_pair(words[index], best, new)
            for pair in pairwise(words[index]):
                counts[pair] += times[index]
                where[pair].add(index)
    return merges


# %% wrong learn_merges: does not note where new pairs are
def learn_merges(pieces: Counter[str], vocabulary: int) -> list[Pair]:
    words, times = [list(piece.encode("utf-8")) for piece in pieces], list(pieces.values())
    counts, where = count_pairs(words, times), defaultdict(set)
    for index, word in enumerate(words):
        for pair in pairwise(word):
            where[pair].add(index)
    merges = []
    for new in range(256, vocabulary):
        best = max(counts, key=lambda pair: (counts[pair], pair), default=None)
        if best is None or counts[best] == 0:
            break
        merges.append(best)
        for index in where.pop(best, ()):
            for pair in pairwise(words[index]):
                counts[pair] -= times[index]
            words[index] = merge_pair(words[index], best, new)
            for pair in pairwise(words[index]):
                counts[pair] += times[index]
    return merges


# %% wrong learn_merges: goes on when no pair is left
def learn_merges(pieces: Counter[str], vocabulary: int) -> list[Pair]:
    words, times = [list(piece.encode("utf-8")) for piece in pieces], list(pieces.values())
    counts, where = count_pairs(words, times), defaultdict(set)
    for index, word in enumerate(words):
        for pair in pairwise(word):
            where[pair].add(index)
    merges = []
    for new in range(256, vocabulary):
        best = max(counts, key=lambda pair: (counts[pair], pair), default=None)
        if best is None:
            break
        merges.append(best)
        for index in where.pop(best, ()):
            for pair in pairwise(words[index]):
                counts[pair] -= times[index]
            words[index] = merge_pair(words[index], best, new)
            for pair in pairwise(words[index]):
                counts[pair] += times[index]
                where[pair].add(index)
    return merges


# %% wrong learn_merges: stops when the best pair occurs once
def learn_merges(pieces: Counter[str], vocabulary: int) -> list[Pair]:
    words, times = [list(piece.encode("utf-8")) for piece in pieces], list(pieces.values())
    counts, where = count_pairs(words, times), defaultdict(set)
    for index, word in enumerate(words):
        for pair in pairwise(word):
            where[pair].add(index)
    merges = []
    for new in range(256, vocabulary):
        best = max(counts, key=lambda pair: (counts[pair], pair), default=None)
        if best is None or counts[best] <= 1:
            break
        merges.append(best)
        for index in where.pop(best):
            for pair in pairwise(words[index]):
                counts[pair] -= times[index]
            words[index] = merge_pair(words[index], best, new)
            for pair in pairwise(words[index]):
                counts[pair] += times[index]
                where[pair].add(index)
    return merges


# %% wrong learn_merges: characters instead of bytes
def learn_merges(pieces: Counter[str], vocabulary: int) -> list[Pair]:
    words, times = [[ord(character) for character in piece] for piece in pieces], list(pieces.values())
    counts, where = count_pairs(words, times), defaultdict(set)
    for index, word in enumerate(words):
        for pair in pairwise(word):
            where[pair].add(index)
    merges = []
    for new in range(256, vocabulary):
        best = max(counts, key=lambda pair: (counts[pair], pair), default=None)
        if best is None or counts[best] == 0:
            break
        merges.append(best)
        for index in where.pop(best):
            for pair in pairwise(words[index]):
                counts[pair] -= times[index]
            words[index] = merge_pair(words[index], best, new)
            for pair in pairwise(words[index]):
                counts[pair] += times[index]
                where[pair].add(index)
    return merges


# %% wrong learn_merges: one merge too few: the new numbers are counted from 257
def learn_merges(pieces: Counter[str], vocabulary: int) -> list[Pair]:
    words, times = [list(piece.encode("utf-8")) for piece in pieces], list(pieces.values())
    counts, where = count_pairs(words, times), defaultdict(set)
    for index, word in enumerate(words):
        for pair in pairwise(word):
            where[pair].add(index)
    merges = []
    for new in range(257, vocabulary):
        best = max(counts, key=lambda pair: (counts[pair], pair), default=None)
        if best is None or counts[best] == 0:
            break
        merges.append(best)
        for index in where.pop(best):
            for pair in pairwise(words[index]):
                counts[pair] -= times[index]
            words[index] = merge_pair(words[index], best, new)
            for pair in pairwise(words[index]):
                counts[pair] += times[index]
                where[pair].add(index)
    return merges


# %% wrong learn_merges: recounts all word types for every merge
def learn_merges(pieces, vocabulary):
    words, times, merges = [list(piece.encode()) for piece in pieces], list(pieces.values()), []
    for new in range(256, vocabulary):
        counts = count_pairs(words, times)
        if not counts:
            break
        merges.append(max(counts, key=lambda pair: (counts[pair], pair)))
        words = [merge_pair(word, merges[-1], new) for word in words]
    return merges


# %% wrong learn_merges: takes the pieces out of the caller's counter
def learn_merges(pieces, vocabulary):
    words, times = [], []
    while pieces:
        piece, count = pieces.popitem()
        words.append(list(piece.encode()))
        times.append(count)
    counts, merges = count_pairs(words, times), []
    for new in range(256, vocabulary):
        best = max(counts, key=lambda pair: (counts[pair], pair), default=None)
        if best is None or not counts[best]:
            break
        merges.append(best)
        for index, word in enumerate(words):
            if best[0] in word and best in set(pairwise(word)):
                counts.subtract(count_pairs([word], [times[index]]))
                words[index] = merge_pair(word, best, new)
                counts.update(count_pairs([words[index]], [times[index]]))
    return merges


# %% right learn_merges: a heap whose entries may be out of date
def learn_merges(pieces, vocabulary):
    import heapq

    words, times = [list(piece.encode()) for piece in pieces], [pieces[piece] for piece in pieces]
    counts, where = defaultdict(int), defaultdict(set)
    for index, word in enumerate(words):
        for pair in zip(word, word[1:]):
            counts[pair] += times[index]
            where[pair].add(index)
    heap = [(-count, -a, -b) for (a, b), count in counts.items()]
    heapq.heapify(heap)
    merges = []
    while heap and len(merges) < vocabulary - 256:
        count, a, b = (-number for number in heapq.heappop(heap))
        if count <= 0 or counts[a, b] != count:
            continue
        new = 256 + len(merges)
        merges.append((a, b))
        touched = set()
        for index in list(where[a, b]):
            word, weight = words[index], times[index]
            for pair in zip(word, word[1:]):
                counts[pair] -= weight
                touched.add(pair)
            word = words[index] = merge_pair(word, (a, b), new)
            for pair in zip(word, word[1:]):
                counts[pair] += weight
                where[pair].add(index)
                touched.add(pair)
        for pair in touched:
            heapq.heappush(heap, (-counts[pair], -pair[0], -pair[1]))
    return merges


# %% right learn_merges: pairs that are gone leave the counter, and the index is exact
def learn_merges(pieces, vocabulary):
    words = {index: (list(piece.encode("utf-8")), count) for index, (piece, count) in enumerate(pieces.items())}
    counts, where, merges = Counter(), {}, []

    def book(index, sign):
        word, count = words[index]
        for pair in pairwise(word):
            counts[pair] += sign * count
            if not counts[pair]:
                del counts[pair]
            (where.setdefault(pair, set()).add if sign > 0 else where[pair].discard)(index)

    for index in words:
        book(index, 1)
    while counts and 256 + len(merges) < vocabulary:
        _, best = max((count, pair) for pair, count in counts.items())
        for index in sorted(where[best]):
            book(index, -1)
            words[index] = (merge_pair(words[index][0], best, 256 + len(merges)), words[index][1])
            book(index, 1)
        merges.append(best)
    return merges


# %% wrong bpe: the first pair that fits, from the left
PATTERN = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""  # GPT-2's


class BytePairEncoding:
    def __init__(self, tokens: Iterable[bytes], pattern: str = PATTERN) -> None:
        self.tokens = list(tokens)
        self.ranks = {token: rank for rank, token in enumerate(self.tokens)}
        if missing := [byte for byte in range(256) if bytes([byte]) not in self.ranks]:
            raise ValueError(f"no token for the bytes {missing[:5]}: some texts could not be encoded")
        if len(self.ranks) < len(self.tokens):
            raise ValueError(f"{len(self.tokens) - len(self.ranks)} tokens occur twice")
        self.pattern = regex.compile(pattern)
        self._encode_piece = lru_cache(maxsize=2**16)(self._merge)  # words come again

    def __len__(self) -> int:
        return len(self.tokens)

    @classmethod
    def train(cls, text: str, vocabulary: int, pattern: str = PATTERN) -> "BytePairEncoding":
        tokens = [bytes([byte]) for byte in range(256)]
        for left, right in learn_merges(Counter(regex.findall(pattern, text)), vocabulary):
            tokens.append(tokens[left] + tokens[right])
        return cls(dict.fromkeys(tokens), pattern)  # two merges may give the same bytes

    def encode(self, text: str) -> list[int]:
        return [token for piece in self.pattern.findall(text) for token in self._encode_piece(piece)]

    def _merge(self, piece: str) -> tuple[int, ...]:
        raw = piece.encode("utf-8")
        if raw in self.ranks:
            return (self.ranks[raw],)
        parts = [bytes([byte]) for byte in raw]
        while len(parts) > 1:
            ranks = [self.ranks.get(left + right, math.inf) for left, right in pairwise(parts)]
            if (lowest := next((rank for rank in ranks if rank < math.inf), math.inf)) == math.inf:
                break
            at = ranks.index(lowest)
            parts[at : at + 2] = [parts[at] + parts[at + 1]]
        return tuple(self.ranks[part] for part in parts)

    def decode_bytes(self, numbers: Iterable[int]) -> bytes:
        return b"".join(self.tokens[number] for number in numbers)

    def decode(self, numbers: Iterable[int]) -> str:
        return self.decode_bytes(numbers).decode("utf-8", errors="replace")


# %% wrong bpe: the longest token that fits, from the left
PATTERN = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""  # GPT-2's


class BytePairEncoding:
    def __init__(self, tokens: Iterable[bytes], pattern: str = PATTERN) -> None:
        self.tokens = list(tokens)
        self.ranks = {token: rank for rank, token in enumerate(self.tokens)}
        if missing := [byte for byte in range(256) if bytes([byte]) not in self.ranks]:
            raise ValueError(f"no token for the bytes {missing[:5]}: some texts could not be encoded")
        if len(self.ranks) < len(self.tokens):
            raise ValueError(f"{len(self.tokens) - len(self.ranks)} tokens occur twice")
        self.pattern = regex.compile(pattern)
        self._encode_piece = lru_cache(maxsize=2**16)(self._merge)  # words come again

    def __len__(self) -> int:
        return len(self.tokens)

    @classmethod
    def train(cls, text: str, vocabulary: int, pattern: str = PATTERN) -> "BytePairEncoding":
        tokens = [bytes([byte]) for byte in range(256)]
        for left, right in learn_merges(Counter(regex.findall(pattern, text)), vocabulary):
            tokens.append(tokens[left] + tokens[right])
        return cls(dict.fromkeys(tokens), pattern)  # two merges may give the same bytes

    def encode(self, text: str) -> list[int]:
        return [token for piece in self.pattern.findall(text) for token in self._encode_piece(piece)]

    def _merge(self, piece: str) -> tuple[int, ...]:
        raw, numbers = piece.encode("utf-8"), []
        while raw:
            end = next(end for end in range(len(raw), 0, -1) if raw[:end] in self.ranks)
            numbers.append(self.ranks[raw[:end]])
            raw = raw[end:]
        return tuple(numbers)

    def decode_bytes(self, numbers: Iterable[int]) -> bytes:
        return b"".join(self.tokens[number] for number in numbers)

    def decode(self, numbers: Iterable[int]) -> str:
        return self.decode_bytes(numbers).decode("utf-8", errors="replace")


# %% wrong bpe: the highest rank first
PATTERN = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""  # GPT-2's


class BytePairEncoding:
    def __init__(self, tokens: Iterable[bytes], pattern: str = PATTERN) -> None:
        self.tokens = list(tokens)
        self.ranks = {token: rank for rank, token in enumerate(self.tokens)}
        if missing := [byte for byte in range(256) if bytes([byte]) not in self.ranks]:
            raise ValueError(f"no token for the bytes {missing[:5]}: some texts could not be encoded")
        if len(self.ranks) < len(self.tokens):
            raise ValueError(f"{len(self.tokens) - len(self.ranks)} tokens occur twice")
        self.pattern = regex.compile(pattern)
        self._encode_piece = lru_cache(maxsize=2**16)(self._merge)  # words come again

    def __len__(self) -> int:
        return len(self.tokens)

    @classmethod
    def train(cls, text: str, vocabulary: int, pattern: str = PATTERN) -> "BytePairEncoding":
        tokens = [bytes([byte]) for byte in range(256)]
        for left, right in learn_merges(Counter(regex.findall(pattern, text)), vocabulary):
            tokens.append(tokens[left] + tokens[right])
        return cls(dict.fromkeys(tokens), pattern)  # two merges may give the same bytes

    def encode(self, text: str) -> list[int]:
        return [token for piece in self.pattern.findall(text) for token in self._encode_piece(piece)]

    def _merge(self, piece: str) -> tuple[int, ...]:
        raw = piece.encode("utf-8")
        if raw in self.ranks:
            return (self.ranks[raw],)
        parts = [bytes([byte]) for byte in raw]
        while len(parts) > 1:
            ranks = [self.ranks.get(left + right, math.inf) for left, right in pairwise(parts)]
            if (lowest := max((rank for rank in ranks if rank < math.inf), default=math.inf)) == math.inf:
                break
            at = ranks.index(lowest)
            parts[at : at + 2] = [parts[at] + parts[at + 1]]
        return tuple(self.ranks[part] for part in parts)

    def decode_bytes(self, numbers: Iterable[int]) -> bytes:
        return b"".join(self.tokens[number] for number in numbers)

    def decode(self, numbers: Iterable[int]) -> str:
        return self.decode_bytes(numbers).decode("utf-8", errors="replace")


# %% wrong bpe: a whole piece is not looked up first
PATTERN = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""  # GPT-2's


class BytePairEncoding:
    def __init__(self, tokens: Iterable[bytes], pattern: str = PATTERN) -> None:
        self.tokens = list(tokens)
        self.ranks = {token: rank for rank, token in enumerate(self.tokens)}
        if missing := [byte for byte in range(256) if bytes([byte]) not in self.ranks]:
            raise ValueError(f"no token for the bytes {missing[:5]}: some texts could not be encoded")
        if len(self.ranks) < len(self.tokens):
            raise ValueError(f"{len(self.tokens) - len(self.ranks)} tokens occur twice")
        self.pattern = regex.compile(pattern)
        self._encode_piece = lru_cache(maxsize=2**16)(self._merge)  # words come again

    def __len__(self) -> int:
        return len(self.tokens)

    @classmethod
    def train(cls, text: str, vocabulary: int, pattern: str = PATTERN) -> "BytePairEncoding":
        tokens = [bytes([byte]) for byte in range(256)]
        for left, right in learn_merges(Counter(regex.findall(pattern, text)), vocabulary):
            tokens.append(tokens[left] + tokens[right])
        return cls(dict.fromkeys(tokens), pattern)  # two merges may give the same bytes

    def encode(self, text: str) -> list[int]:
        return [token for piece in self.pattern.findall(text) for token in self._encode_piece(piece)]

    def _merge(self, piece: str) -> tuple[int, ...]:
        raw = piece.encode("utf-8")
        parts = [bytes([byte]) for byte in raw]
        while len(parts) > 1:
            ranks = [self.ranks.get(left + right, math.inf) for left, right in pairwise(parts)]
            if (lowest := min(ranks)) == math.inf:
                break
            at = ranks.index(lowest)
            parts[at : at + 2] = [parts[at] + parts[at + 1]]
        return tuple(self.ranks[part] for part in parts)

    def decode_bytes(self, numbers: Iterable[int]) -> bytes:
        return b"".join(self.tokens[number] for number in numbers)

    def decode(self, numbers: Iterable[int]) -> str:
        return self.decode_bytes(numbers).decode("utf-8", errors="replace")


# %% wrong bpe: one pass over the ranks seen at first, without looking again
PATTERN = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""  # GPT-2's


class BytePairEncoding:
    def __init__(self, tokens: Iterable[bytes], pattern: str = PATTERN) -> None:
        self.tokens = list(tokens)
        self.ranks = {token: rank for rank, token in enumerate(self.tokens)}
        if missing := [byte for byte in range(256) if bytes([byte]) not in self.ranks]:
            raise ValueError(f"no token for the bytes {missing[:5]}: some texts could not be encoded")
        if len(self.ranks) < len(self.tokens):
            raise ValueError(f"{len(self.tokens) - len(self.ranks)} tokens occur twice")
        self.pattern = regex.compile(pattern)
        self._encode_piece = lru_cache(maxsize=2**16)(self._merge)  # words come again

    def __len__(self) -> int:
        return len(self.tokens)

    @classmethod
    def train(cls, text: str, vocabulary: int, pattern: str = PATTERN) -> "BytePairEncoding":
        tokens = [bytes([byte]) for byte in range(256)]
        for left, right in learn_merges(Counter(regex.findall(pattern, text)), vocabulary):
            tokens.append(tokens[left] + tokens[right])
        return cls(dict.fromkeys(tokens), pattern)  # two merges may give the same bytes

    def encode(self, text: str) -> list[int]:
        return [token for piece in self.pattern.findall(text) for token in self._encode_piece(piece)]

    def _merge(self, piece: str) -> tuple[int, ...]:
        raw = piece.encode("utf-8")
        if raw in self.ranks:
            return (self.ranks[raw],)
        parts = [bytes([byte]) for byte in raw]
        for left, right in list(pairwise(parts)):
            for at in range(len(parts) - 1):
                if parts[at] == left and parts[at + 1] == right and left + right in self.ranks:
                    parts[at : at + 2] = [left + right]
                    break
        return tuple(self.ranks[part] for part in parts)

    def decode_bytes(self, numbers: Iterable[int]) -> bytes:
        return b"".join(self.tokens[number] for number in numbers)

    def decode(self, numbers: Iterable[int]) -> str:
        return self.decode_bytes(numbers).decode("utf-8", errors="replace")


# %% wrong bpe: a byte's number is the byte itself, where the vocabulary has another order
PATTERN = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""  # GPT-2's


class BytePairEncoding:
    def __init__(self, tokens: Iterable[bytes], pattern: str = PATTERN) -> None:
        self.tokens = list(tokens)
        self.ranks = {token: rank for rank, token in enumerate(self.tokens)}
        if missing := [byte for byte in range(256) if bytes([byte]) not in self.ranks]:
            raise ValueError(f"no token for the bytes {missing[:5]}: some texts could not be encoded")
        if len(self.ranks) < len(self.tokens):
            raise ValueError(f"{len(self.tokens) - len(self.ranks)} tokens occur twice")
        self.pattern = regex.compile(pattern)
        self._encode_piece = lru_cache(maxsize=2**16)(self._merge)  # words come again

    def __len__(self) -> int:
        return len(self.tokens)

    @classmethod
    def train(cls, text: str, vocabulary: int, pattern: str = PATTERN) -> "BytePairEncoding":
        tokens = [bytes([byte]) for byte in range(256)]
        for left, right in learn_merges(Counter(regex.findall(pattern, text)), vocabulary):
            tokens.append(tokens[left] + tokens[right])
        return cls(dict.fromkeys(tokens), pattern)  # two merges may give the same bytes

    def encode(self, text: str) -> list[int]:
        return [token for piece in self.pattern.findall(text) for token in self._encode_piece(piece)]

    def _merge(self, piece: str) -> tuple[int, ...]:
        raw = piece.encode("utf-8")
        if raw in self.ranks:
            return (self.ranks[raw],)
        parts = [bytes([byte]) for byte in raw]
        while len(parts) > 1:
            ranks = [self.ranks.get(left + right, math.inf) for left, right in pairwise(parts)]
            if (lowest := min(ranks)) == math.inf:
                break
            at = ranks.index(lowest)
            parts[at : at + 2] = [parts[at] + parts[at + 1]]
        return tuple(part[0] if len(part) == 1 else self.ranks[part] for part in parts)

    def decode_bytes(self, numbers: Iterable[int]) -> bytes:
        return b"".join(self.tokens[number] for number in numbers)

    def decode(self, numbers: Iterable[int]) -> str:
        return self.decode_bytes(numbers).decode("utf-8", errors="replace")


# %% wrong bpe: each token is decoded alone, so that characters over two tokens are lost
PATTERN = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""  # GPT-2's


class BytePairEncoding:
    def __init__(self, tokens: Iterable[bytes], pattern: str = PATTERN) -> None:
        self.tokens = list(tokens)
        self.ranks = {token: rank for rank, token in enumerate(self.tokens)}
        if missing := [byte for byte in range(256) if bytes([byte]) not in self.ranks]:
            raise ValueError(f"no token for the bytes {missing[:5]}: some texts could not be encoded")
        if len(self.ranks) < len(self.tokens):
            raise ValueError(f"{len(self.tokens) - len(self.ranks)} tokens occur twice")
        self.pattern = regex.compile(pattern)
        self._encode_piece = lru_cache(maxsize=2**16)(self._merge)  # words come again

    def __len__(self) -> int:
        return len(self.tokens)

    @classmethod
    def train(cls, text: str, vocabulary: int, pattern: str = PATTERN) -> "BytePairEncoding":
        tokens = [bytes([byte]) for byte in range(256)]
        for left, right in learn_merges(Counter(regex.findall(pattern, text)), vocabulary):
            tokens.append(tokens[left] + tokens[right])
        return cls(dict.fromkeys(tokens), pattern)  # two merges may give the same bytes

    def encode(self, text: str) -> list[int]:
        return [token for piece in self.pattern.findall(text) for token in self._encode_piece(piece)]

    def _merge(self, piece: str) -> tuple[int, ...]:
        raw = piece.encode("utf-8")
        if raw in self.ranks:
            return (self.ranks[raw],)
        parts = [bytes([byte]) for byte in raw]
        while len(parts) > 1:
            ranks = [self.ranks.get(left + right, math.inf) for left, right in pairwise(parts)]
            if (lowest := min(ranks)) == math.inf:
                break
            at = ranks.index(lowest)
            parts[at : at + 2] = [parts[at] + parts[at + 1]]
        return tuple(self.ranks[part] for part in parts)

    def decode_bytes(self, numbers: Iterable[int]) -> bytes:
        return b"".join(self.tokens[number] for number in numbers)

    def decode(self, numbers: Iterable[int]) -> str:
        return "".join(self.decode_bytes([number]).decode("utf-8", errors="replace") for number in numbers)


# %% wrong bpe: bytes that are no UTF-8 are left out
PATTERN = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""  # GPT-2's


class BytePairEncoding:
    def __init__(self, tokens: Iterable[bytes], pattern: str = PATTERN) -> None:
        self.tokens = list(tokens)
        self.ranks = {token: rank for rank, token in enumerate(self.tokens)}
        if missing := [byte for byte in range(256) if bytes([byte]) not in self.ranks]:
            raise ValueError(f"no token for the bytes {missing[:5]}: some texts could not be encoded")
        if len(self.ranks) < len(self.tokens):
            raise ValueError(f"{len(self.tokens) - len(self.ranks)} tokens occur twice")
        self.pattern = regex.compile(pattern)
        self._encode_piece = lru_cache(maxsize=2**16)(self._merge)  # words come again

    def __len__(self) -> int:
        return len(self.tokens)

    @classmethod
    def train(cls, text: str, vocabulary: int, pattern: str = PATTERN) -> "BytePairEncoding":
        tokens = [bytes([byte]) for byte in range(256)]
        for left, right in learn_merges(Counter(regex.findall(pattern, text)), vocabulary):
            tokens.append(tokens[left] + tokens[right])
        return cls(dict.fromkeys(tokens), pattern)  # two merges may give the same bytes

    def encode(self, text: str) -> list[int]:
        return [token for piece in self.pattern.findall(text) for token in self._encode_piece(piece)]

    def _merge(self, piece: str) -> tuple[int, ...]:
        raw = piece.encode("utf-8")
        if raw in self.ranks:
            return (self.ranks[raw],)
        parts = [bytes([byte]) for byte in raw]
        while len(parts) > 1:
            ranks = [self.ranks.get(left + right, math.inf) for left, right in pairwise(parts)]
            if (lowest := min(ranks)) == math.inf:
                break
            at = ranks.index(lowest)
            parts[at : at + 2] = [parts[at] + parts[at + 1]]
        return tuple(self.ranks[part] for part in parts)

    def decode_bytes(self, numbers: Iterable[int]) -> bytes:
        return b"".join(self.tokens[number] for number in numbers)

    def decode(self, numbers: Iterable[int]) -> str:
        return self.decode_bytes(numbers).decode("utf-8", errors="ignore")


# %% wrong bpe: latin-1 instead of UTF-8
PATTERN = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""  # GPT-2's


class BytePairEncoding:
    def __init__(self, tokens: Iterable[bytes], pattern: str = PATTERN) -> None:
        self.tokens = list(tokens)
        self.ranks = {token: rank for rank, token in enumerate(self.tokens)}
        if missing := [byte for byte in range(256) if bytes([byte]) not in self.ranks]:
            raise ValueError(f"no token for the bytes {missing[:5]}: some texts could not be encoded")
        if len(self.ranks) < len(self.tokens):
            raise ValueError(f"{len(self.tokens) - len(self.ranks)} tokens occur twice")
        self.pattern = regex.compile(pattern)
        self._encode_piece = lru_cache(maxsize=2**16)(self._merge)  # words come again

    def __len__(self) -> int:
        return len(self.tokens)

    @classmethod
    def train(cls, text: str, vocabulary: int, pattern: str = PATTERN) -> "BytePairEncoding":
        tokens = [bytes([byte]) for byte in range(256)]
        for left, right in learn_merges(Counter(regex.findall(pattern, text)), vocabulary):
            tokens.append(tokens[left] + tokens[right])
        return cls(dict.fromkeys(tokens), pattern)  # two merges may give the same bytes

    def encode(self, text: str) -> list[int]:
        return [token for piece in self.pattern.findall(text) for token in self._encode_piece(piece)]

    def _merge(self, piece: str) -> tuple[int, ...]:
        raw = piece.encode("latin-1", errors="replace")
        if raw in self.ranks:
            return (self.ranks[raw],)
        parts = [bytes([byte]) for byte in raw]
        while len(parts) > 1:
            ranks = [self.ranks.get(left + right, math.inf) for left, right in pairwise(parts)]
            if (lowest := min(ranks)) == math.inf:
                break
            at = ranks.index(lowest)
            parts[at : at + 2] = [parts[at] + parts[at + 1]]
        return tuple(self.ranks[part] for part in parts)

    def decode_bytes(self, numbers: Iterable[int]) -> bytes:
        return b"".join(self.tokens[number] for number in numbers)

    def decode(self, numbers: Iterable[int]) -> str:
        return self.decode_bytes(numbers).decode("latin-1")


# %% wrong bpe: white space at the ends of a piece is lost
PATTERN = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""  # GPT-2's


class BytePairEncoding:
    def __init__(self, tokens: Iterable[bytes], pattern: str = PATTERN) -> None:
        self.tokens = list(tokens)
        self.ranks = {token: rank for rank, token in enumerate(self.tokens)}
        if missing := [byte for byte in range(256) if bytes([byte]) not in self.ranks]:
            raise ValueError(f"no token for the bytes {missing[:5]}: some texts could not be encoded")
        if len(self.ranks) < len(self.tokens):
            raise ValueError(f"{len(self.tokens) - len(self.ranks)} tokens occur twice")
        self.pattern = regex.compile(pattern)
        self._encode_piece = lru_cache(maxsize=2**16)(self._merge)  # words come again

    def __len__(self) -> int:
        return len(self.tokens)

    @classmethod
    def train(cls, text: str, vocabulary: int, pattern: str = PATTERN) -> "BytePairEncoding":
        tokens = [bytes([byte]) for byte in range(256)]
        for left, right in learn_merges(Counter(regex.findall(pattern, text)), vocabulary):
            tokens.append(tokens[left] + tokens[right])
        return cls(dict.fromkeys(tokens), pattern)  # two merges may give the same bytes

    def encode(self, text: str) -> list[int]:
        return [token for piece in self.pattern.findall(text) for token in self._encode_piece(piece)]

    def _merge(self, piece: str) -> tuple[int, ...]:
        raw = (piece.strip() or piece).encode("utf-8")
        if raw in self.ranks:
            return (self.ranks[raw],)
        parts = [bytes([byte]) for byte in raw]
        while len(parts) > 1:
            ranks = [self.ranks.get(left + right, math.inf) for left, right in pairwise(parts)]
            if (lowest := min(ranks)) == math.inf:
                break
            at = ranks.index(lowest)
            parts[at : at + 2] = [parts[at] + parts[at + 1]]
        return tuple(self.ranks[part] for part in parts)

    def decode_bytes(self, numbers: Iterable[int]) -> bytes:
        return b"".join(self.tokens[number] for number in numbers)

    def decode(self, numbers: Iterable[int]) -> str:
        return self.decode_bytes(numbers).decode("utf-8", errors="replace")


# %% wrong bpe: Unicode is normalised on the way
PATTERN = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""  # GPT-2's


class BytePairEncoding:
    def __init__(self, tokens: Iterable[bytes], pattern: str = PATTERN) -> None:
        self.tokens = list(tokens)
        self.ranks = {token: rank for rank, token in enumerate(self.tokens)}
        if missing := [byte for byte in range(256) if bytes([byte]) not in self.ranks]:
            raise ValueError(f"no token for the bytes {missing[:5]}: some texts could not be encoded")
        if len(self.ranks) < len(self.tokens):
            raise ValueError(f"{len(self.tokens) - len(self.ranks)} tokens occur twice")
        self.pattern = regex.compile(pattern)
        self._encode_piece = lru_cache(maxsize=2**16)(self._merge)  # words come again

    def __len__(self) -> int:
        return len(self.tokens)

    @classmethod
    def train(cls, text: str, vocabulary: int, pattern: str = PATTERN) -> "BytePairEncoding":
        tokens = [bytes([byte]) for byte in range(256)]
        for left, right in learn_merges(Counter(regex.findall(pattern, text)), vocabulary):
            tokens.append(tokens[left] + tokens[right])
        return cls(dict.fromkeys(tokens), pattern)  # two merges may give the same bytes

    def encode(self, text: str) -> list[int]:
        return [token for piece in self.pattern.findall(text) for token in self._encode_piece(piece)]

    def _merge(self, piece: str) -> tuple[int, ...]:
        import unicodedata

        raw = unicodedata.normalize("NFKC", piece).encode("utf-8")
        if raw in self.ranks:
            return (self.ranks[raw],)
        parts = [bytes([byte]) for byte in raw]
        while len(parts) > 1:
            ranks = [self.ranks.get(left + right, math.inf) for left, right in pairwise(parts)]
            if (lowest := min(ranks)) == math.inf:
                break
            at = ranks.index(lowest)
            parts[at : at + 2] = [parts[at] + parts[at + 1]]
        return tuple(self.ranks[part] for part in parts)

    def decode_bytes(self, numbers: Iterable[int]) -> bytes:
        return b"".join(self.tokens[number] for number in numbers)

    def decode(self, numbers: Iterable[int]) -> str:
        return self.decode_bytes(numbers).decode("utf-8", errors="replace")


# %% wrong bpe: unpaired merges are joined whenever the parts' first bytes fit
PATTERN = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""  # GPT-2's


class BytePairEncoding:
    def __init__(self, tokens: Iterable[bytes], pattern: str = PATTERN) -> None:
        self.tokens = list(tokens)
        self.ranks = {token: rank for rank, token in enumerate(self.tokens)}
        if missing := [byte for byte in range(256) if bytes([byte]) not in self.ranks]:
            raise ValueError(f"no token for the bytes {missing[:5]}: some texts could not be encoded")
        if len(self.ranks) < len(self.tokens):
            raise ValueError(f"{len(self.tokens) - len(self.ranks)} tokens occur twice")
        self.pattern = regex.compile(pattern)
        self._encode_piece = lru_cache(maxsize=2**16)(self._merge)  # words come again

    def __len__(self) -> int:
        return len(self.tokens)

    @classmethod
    def train(cls, text: str, vocabulary: int, pattern: str = PATTERN) -> "BytePairEncoding":
        tokens = [bytes([byte]) for byte in range(256)]
        for left, right in learn_merges(Counter(regex.findall(pattern, text)), vocabulary):
            tokens.append(tokens[left] + tokens[right])
        return cls(dict.fromkeys(tokens), pattern)  # two merges may give the same bytes

    def encode(self, text: str) -> list[int]:
        return [token for piece in self.pattern.findall(text) for token in self._encode_piece(piece)]

    def _merge(self, piece: str) -> tuple[int, ...]:
        raw = piece.encode("utf-8")
        if raw in self.ranks:
            return (self.ranks[raw],)
        parts = [bytes([byte]) for byte in raw]
        while len(parts) > 1:
            ranks = [
                self.ranks.get(left + right, math.inf) if len(left) + len(right) < 4 else math.inf
                for left, right in pairwise(parts)
            ]
            if (lowest := min(ranks)) == math.inf:
                break
            at = ranks.index(lowest)
            parts[at : at + 2] = [parts[at] + parts[at + 1]]
        return tuple(self.ranks[part] for part in parts)

    def decode_bytes(self, numbers: Iterable[int]) -> bytes:
        return b"".join(self.tokens[number] for number in numbers)

    def decode(self, numbers: Iterable[int]) -> str:
        return self.decode_bytes(numbers).decode("utf-8", errors="replace")


# %% right bpe: all occurrences of the lowest pair at once, in numbers
PATTERN = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""  # GPT-2's


class BytePairEncoding:
    def __init__(self, tokens: Iterable[bytes], pattern: str = PATTERN) -> None:
        self.tokens = list(tokens)
        self.ranks = {token: rank for rank, token in enumerate(self.tokens)}
        if missing := [byte for byte in range(256) if bytes([byte]) not in self.ranks]:
            raise ValueError(f"no token for the bytes {missing[:5]}: some texts could not be encoded")
        if len(self.ranks) < len(self.tokens):
            raise ValueError(f"{len(self.tokens) - len(self.ranks)} tokens occur twice")
        self.pattern = regex.compile(pattern)
        self._encode_piece = lru_cache(maxsize=2**16)(self._merge)  # words come again

    def __len__(self) -> int:
        return len(self.tokens)

    @classmethod
    def train(cls, text: str, vocabulary: int, pattern: str = PATTERN) -> "BytePairEncoding":
        tokens = [bytes([byte]) for byte in range(256)]
        for left, right in learn_merges(Counter(regex.findall(pattern, text)), vocabulary):
            tokens.append(tokens[left] + tokens[right])
        return cls(dict.fromkeys(tokens), pattern)  # two merges may give the same bytes

    def encode(self, text: str) -> list[int]:
        return [token for piece in self.pattern.findall(text) for token in self._encode_piece(piece)]

    def _merge(self, piece: str) -> tuple[int, ...]:
        raw = piece.encode()
        if (whole := self.ranks.get(raw)) is not None:
            return (whole,)
        numbers = [self.ranks[raw[at : at + 1]] for at in range(len(raw))]
        while True:
            joined = {pair: self.ranks.get(self.tokens[pair[0]] + self.tokens[pair[1]]) for pair in pairwise(numbers)}
            joined = {pair: rank for pair, rank in joined.items() if rank is not None}
            if not joined:
                return tuple(numbers)
            pair = min(joined, key=joined.get)
            numbers = merge_pair(numbers, pair, joined[pair])

    def decode_bytes(self, numbers: Iterable[int]) -> bytes:
        return bytes(byte for number in numbers for byte in self.tokens[number])

    def decode(self, numbers: Iterable[int]) -> str:
        return str(self.decode_bytes(numbers), "utf-8", "replace")


# %% right bpe: boundaries that fall one by one
PATTERN = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""  # GPT-2's


class BytePairEncoding:
    def __init__(self, tokens: Iterable[bytes], pattern: str = PATTERN) -> None:
        self.tokens = list(tokens)
        self.ranks = {token: rank for rank, token in enumerate(self.tokens)}
        if missing := [byte for byte in range(256) if bytes([byte]) not in self.ranks]:
            raise ValueError(f"no token for the bytes {missing[:5]}: some texts could not be encoded")
        if len(self.ranks) < len(self.tokens):
            raise ValueError(f"{len(self.tokens) - len(self.ranks)} tokens occur twice")
        self.pattern = regex.compile(pattern)
        self._encode_piece = lru_cache(maxsize=2**16)(self._merge)  # words come again

    def __len__(self) -> int:
        return len(self.tokens)

    @classmethod
    def train(cls, text: str, vocabulary: int, pattern: str = PATTERN) -> "BytePairEncoding":
        tokens = [bytes([byte]) for byte in range(256)]
        for left, right in learn_merges(Counter(regex.findall(pattern, text)), vocabulary):
            tokens.append(tokens[left] + tokens[right])
        return cls(dict.fromkeys(tokens), pattern)  # two merges may give the same bytes

    def encode(self, text: str) -> list[int]:
        return [token for piece in self.pattern.findall(text) for token in self._encode_piece(piece)]

    def _merge(self, piece: str) -> tuple[int, ...]:
        raw = piece.encode("utf-8")
        if raw in self.ranks:
            return (self.ranks[raw],)
        cuts = list(range(len(raw) + 1))
        while len(cuts) > 2:
            joined = [raw[a:b] for a, b in zip(cuts, cuts[2:])]
            candidates = [(self.ranks[both], i) for i, both in enumerate(joined, 1) if both in self.ranks]
            if not candidates:
                break
            del cuts[min(candidates)[1]]
        return tuple(self.ranks[raw[a:b]] for a, b in pairwise(cuts))

    def decode_bytes(self, numbers: Iterable[int]) -> bytes:
        return b"".join(self.tokens[number] for number in numbers)

    def decode(self, numbers: Iterable[int]) -> str:
        return self.decode_bytes(numbers).decode("utf-8", errors="replace")


# %% wrong evaluate: the mean of the batches' means
@torch.no_grad()
def evaluate(model, tokens, length, batch=32):
    count = (len(tokens) - 1) // length
    inputs, targets = tokens[: count * length].view(count, length), tokens[1 : count * length + 1].view(count, length)
    was, found = model.training, []
    model.eval()
    for x, y in zip(inputs.split(batch), targets.split(batch)):
        found.append(F.cross_entropy(model(x).flatten(0, 1), y.flatten()).item())
    model.train(was)
    return sum(found) / len(found)


def bits_per_byte(nats, tokens, sizes):
    return nats / math.log(2) * len(tokens) / sizes[tokens].sum().item()


# %% wrong evaluate: dropout stays on
@torch.no_grad()
def evaluate(model: nn.Module, tokens: Int[Tensor, " N"], length: int, batch: int = 32) -> float:
    count = (len(tokens) - 1) // length
    inputs, targets = (tokens[at : at + count * length].view(count, length) for at in (0, 1))  # (count, T)
    was_training = model.training
    total = 0.0
    for x, y in zip(inputs.split(batch), targets.split(batch), strict=True):
        logits = model(x).flatten(0, 1).float()  # (B·T, V)
        total += F.cross_entropy(logits, y.flatten(), reduction="sum").item()
    model.train(was_training)
    return total / (count * length)


def bits_per_byte(nats: float, tokens: Int[Tensor, " N"], sizes: Int[Tensor, " V"]) -> float:
    return nats / math.log(2) * len(tokens) / sizes[tokens].sum().item()


# %% wrong evaluate: the model is left in evaluation mode
@torch.no_grad()
def evaluate(model: nn.Module, tokens: Int[Tensor, " N"], length: int, batch: int = 32) -> float:
    count = (len(tokens) - 1) // length
    inputs, targets = (tokens[at : at + count * length].view(count, length) for at in (0, 1))  # (count, T)
    was_training = model.training
    model.eval()
    total = 0.0
    for x, y in zip(inputs.split(batch), targets.split(batch), strict=True):
        logits = model(x).flatten(0, 1).float()  # (B·T, V)
        total += F.cross_entropy(logits, y.flatten(), reduction="sum").item()
    return total / (count * length)


def bits_per_byte(nats: float, tokens: Int[Tensor, " N"], sizes: Int[Tensor, " V"]) -> float:
    return nats / math.log(2) * len(tokens) / sizes[tokens].sum().item()


# %% wrong evaluate: the model is always put into training mode
@torch.no_grad()
def evaluate(model: nn.Module, tokens: Int[Tensor, " N"], length: int, batch: int = 32) -> float:
    count = (len(tokens) - 1) // length
    inputs, targets = (tokens[at : at + count * length].view(count, length) for at in (0, 1))  # (count, T)
    was_training = model.training
    model.eval()
    total = 0.0
    for x, y in zip(inputs.split(batch), targets.split(batch), strict=True):
        logits = model(x).flatten(0, 1).float()  # (B·T, V)
        total += F.cross_entropy(logits, y.flatten(), reduction="sum").item()
    model.train()
    return total / (count * length)


def bits_per_byte(nats: float, tokens: Int[Tensor, " N"], sizes: Int[Tensor, " V"]) -> float:
    return nats / math.log(2) * len(tokens) / sizes[tokens].sum().item()


# %% wrong evaluate: targets are the inputs
@torch.no_grad()
def evaluate(model: nn.Module, tokens: Int[Tensor, " N"], length: int, batch: int = 32) -> float:
    count = (len(tokens) - 1) // length
    inputs, targets = (tokens[at : at + count * length].view(count, length) for at in (0, 0))  # (count, T)
    was_training = model.training
    model.eval()
    total = 0.0
    for x, y in zip(inputs.split(batch), targets.split(batch), strict=True):
        logits = model(x).flatten(0, 1).float()  # (B·T, V)
        total += F.cross_entropy(logits, y.flatten(), reduction="sum").item()
    model.train(was_training)
    return total / (count * length)


def bits_per_byte(nats: float, tokens: Int[Tensor, " N"], sizes: Int[Tensor, " V"]) -> float:
    return nats / math.log(2) * len(tokens) / sizes[tokens].sum().item()


# %% wrong evaluate: the last full stretch is dropped where nothing follows it
@torch.no_grad()
def evaluate(model: nn.Module, tokens: Int[Tensor, " N"], length: int, batch: int = 32) -> float:
    count = max(1, (len(tokens) - 1) // length - 1)
    inputs, targets = (tokens[at : at + count * length].view(count, length) for at in (0, 1))  # (count, T)
    was_training = model.training
    model.eval()
    total = 0.0
    for x, y in zip(inputs.split(batch), targets.split(batch), strict=True):
        logits = model(x).flatten(0, 1).float()  # (B·T, V)
        total += F.cross_entropy(logits, y.flatten(), reduction="sum").item()
    model.train(was_training)
    return total / (count * length)


def bits_per_byte(nats: float, tokens: Int[Tensor, " N"], sizes: Int[Tensor, " V"]) -> float:
    return nats / math.log(2) * len(tokens) / sizes[tokens].sum().item()


# %% wrong evaluate: a last, smaller batch is not used
@torch.no_grad()
def evaluate(model, tokens, length, batch=32):
    count = (len(tokens) - 1) // length
    inputs, targets = tokens[: count * length].view(count, length), tokens[1 : count * length + 1].view(count, length)
    batch = min(batch, count)
    was, total, seen = model.training, 0.0, 0
    model.eval()
    for at in range(0, count - batch + 1, batch):
        logits = model(inputs[at : at + batch]).flatten(0, 1)
        total += F.cross_entropy(logits, targets[at : at + batch].flatten(), reduction="sum").item()
        seen += batch * length
    model.train(was)
    return total / seen


def bits_per_byte(nats, tokens, sizes):
    return nats / math.log(2) * len(tokens) / sizes[tokens].sum().item()


# %% wrong evaluate: the whole text goes through as one stretch
@torch.no_grad()
def evaluate(model: nn.Module, tokens: Int[Tensor, " N"], length: int, batch: int = 32) -> float:
    count = (len(tokens) - 1) // length
    inputs, targets = (tokens[at : at + count * length].view(1, count * length) for at in (0, 1))  # (count, T)
    was_training = model.training
    model.eval()
    total = 0.0
    for x, y in zip(inputs.split(batch), targets.split(batch), strict=True):
        logits = model(x).flatten(0, 1).float()  # (B·T, V)
        total += F.cross_entropy(logits, y.flatten(), reduction="sum").item()
    model.train(was_training)
    return total / (count * length)


def bits_per_byte(nats: float, tokens: Int[Tensor, " N"], sizes: Int[Tensor, " V"]) -> float:
    return nats / math.log(2) * len(tokens) / sizes[tokens].sum().item()


# %% wrong evaluate: gradients are kept
def evaluate(model: nn.Module, tokens: Int[Tensor, " N"], length: int, batch: int = 32) -> float:
    count = (len(tokens) - 1) // length
    inputs, targets = (tokens[at : at + count * length].view(count, length) for at in (0, 1))  # (count, T)
    was_training = model.training
    model.eval()
    total = 0.0
    for x, y in zip(inputs.split(batch), targets.split(batch), strict=True):
        logits = model(x).flatten(0, 1).float()  # (B·T, V)
        total += F.cross_entropy(logits, y.flatten(), reduction="sum").item()
    model.train(was_training)
    return total / (count * length)


def bits_per_byte(nats: float, tokens: Int[Tensor, " N"], sizes: Int[Tensor, " V"]) -> float:
    return nats / math.log(2) * len(tokens) / sizes[tokens].sum().item()


# %% wrong evaluate: bits per token: the bytes are forgotten
@torch.no_grad()
def evaluate(model: nn.Module, tokens: Int[Tensor, " N"], length: int, batch: int = 32) -> float:
    count = (len(tokens) - 1) // length
    inputs, targets = (tokens[at : at + count * length].view(count, length) for at in (0, 1))  # (count, T)
    was_training = model.training
    model.eval()
    total = 0.0
    for x, y in zip(inputs.split(batch), targets.split(batch), strict=True):
        logits = model(x).flatten(0, 1).float()  # (B·T, V)
        total += F.cross_entropy(logits, y.flatten(), reduction="sum").item()
    model.train(was_training)
    return total / (count * length)


def bits_per_byte(nats: float, tokens: Int[Tensor, " N"], sizes: Int[Tensor, " V"]) -> float:
    return nats / math.log(2)


# %% wrong evaluate: no change from nats to bits
@torch.no_grad()
def evaluate(model: nn.Module, tokens: Int[Tensor, " N"], length: int, batch: int = 32) -> float:
    count = (len(tokens) - 1) // length
    inputs, targets = (tokens[at : at + count * length].view(count, length) for at in (0, 1))  # (count, T)
    was_training = model.training
    model.eval()
    total = 0.0
    for x, y in zip(inputs.split(batch), targets.split(batch), strict=True):
        logits = model(x).flatten(0, 1).float()  # (B·T, V)
        total += F.cross_entropy(logits, y.flatten(), reduction="sum").item()
    model.train(was_training)
    return total / (count * length)


def bits_per_byte(nats: float, tokens: Int[Tensor, " N"], sizes: Int[Tensor, " V"]) -> float:
    return nats * len(tokens) / sizes[tokens].sum().item()


# %% wrong evaluate: the vocabulary's mean size instead of the text's
@torch.no_grad()
def evaluate(model: nn.Module, tokens: Int[Tensor, " N"], length: int, batch: int = 32) -> float:
    count = (len(tokens) - 1) // length
    inputs, targets = (tokens[at : at + count * length].view(count, length) for at in (0, 1))  # (count, T)
    was_training = model.training
    model.eval()
    total = 0.0
    for x, y in zip(inputs.split(batch), targets.split(batch), strict=True):
        logits = model(x).flatten(0, 1).float()  # (B·T, V)
        total += F.cross_entropy(logits, y.flatten(), reduction="sum").item()
    model.train(was_training)
    return total / (count * length)


def bits_per_byte(nats: float, tokens: Int[Tensor, " N"], sizes: Int[Tensor, " V"]) -> float:
    return nats / math.log(2) * 1 / sizes.float().mean().item()


# %% wrong evaluate: multiplies by bytes per token
@torch.no_grad()
def evaluate(model: nn.Module, tokens: Int[Tensor, " N"], length: int, batch: int = 32) -> float:
    count = (len(tokens) - 1) // length
    inputs, targets = (tokens[at : at + count * length].view(count, length) for at in (0, 1))  # (count, T)
    was_training = model.training
    model.eval()
    total = 0.0
    for x, y in zip(inputs.split(batch), targets.split(batch), strict=True):
        logits = model(x).flatten(0, 1).float()  # (B·T, V)
        total += F.cross_entropy(logits, y.flatten(), reduction="sum").item()
    model.train(was_training)
    return total / (count * length)


def bits_per_byte(nats: float, tokens: Int[Tensor, " N"], sizes: Int[Tensor, " V"]) -> float:
    return nats / math.log(2) * sizes[tokens].sum().item() / len(tokens)


# %% wrong evaluate: divides by all tokens, also those of the rest that is not used
@torch.no_grad()
def evaluate(model: nn.Module, tokens: Int[Tensor, " N"], length: int, batch: int = 32) -> float:
    count = (len(tokens) - 1) // length
    inputs, targets = (tokens[at : at + count * length].view(count, length) for at in (0, 1))  # (count, T)
    was_training = model.training
    model.eval()
    total = 0.0
    for x, y in zip(inputs.split(batch), targets.split(batch), strict=True):
        logits = model(x).flatten(0, 1).float()  # (B·T, V)
        total += F.cross_entropy(logits, y.flatten(), reduction="sum").item()
    model.train(was_training)
    return total / (len(tokens) - 1)


def bits_per_byte(nats: float, tokens: Int[Tensor, " N"], sizes: Int[Tensor, " V"]) -> float:
    return nats / math.log(2) * len(tokens) / sizes[tokens].sum().item()


# %% right evaluate: one stretch at a time, log-probabilities gathered
def evaluate(model, tokens, length, batch=32):
    mode = model.training
    model.eval()
    parts = []
    with torch.inference_mode():
        for begin in range(0, len(tokens) - length, length):
            logs = model(tokens[begin : begin + length][None])[0].double().log_softmax(-1)
            parts.append(-logs.gather(1, tokens[begin + 1 : begin + length + 1, None]))
    model.train(mode)
    return torch.cat(parts).mean().item()


def bits_per_byte(nats, tokens, sizes):
    return float(nats * tokens.numel() / np.log(2) / sum(sizes[token].item() for token in tokens))


# %% right evaluate: unfold, means weighted by size
def evaluate(model, tokens, length, batch=32):
    rows = tokens.unfold(0, length + 1, length)
    mode = model.training
    model.train(False)
    total = 0.0
    with torch.no_grad():
        for part in rows.split(batch):
            loss = F.cross_entropy(model(part[:, :-1]).transpose(1, 2), part[:, 1:])
            total += loss.item() * len(part) / len(rows)
    model.train(mode)
    return total


def bits_per_byte(nats, tokens, sizes):
    bytes_per_token = sizes[tokens].float().mean().item()
    return math.log2(math.e) * nats / bytes_per_token


# %% wrong learning_rate: step 0 has rate 0
def learning_rate(step: int, config: TrainingConfig) -> float:
    if step < config.warmup:
        return config.rate * step / config.warmup
    done = (step - config.warmup) / max(1, config.steps - 1 - config.warmup)  # 0 at the top, 1 at the last step
    return config.least_rate + (config.rate - config.least_rate) * (1 + math.cos(math.pi * min(done, 1))) / 2


# %% wrong learning_rate: the cosine begins at step 0, under the warm-up
def learning_rate(step: int, config: TrainingConfig) -> float:
    if step < config.warmup:
        return config.rate * (step + 1) / config.warmup
    done = step / max(1, config.steps - 1)  # 0 at the top, 1 at the last step
    return config.least_rate + (config.rate - config.least_rate) * (1 + math.cos(math.pi * min(done, 1))) / 2


# %% wrong learning_rate: the end is one step late
def learning_rate(step: int, config: TrainingConfig) -> float:
    if step < config.warmup:
        return config.rate * (step + 1) / config.warmup
    done = (step - config.warmup) / max(1, config.steps - config.warmup)  # 0 at the top, 1 at the last step
    return config.least_rate + (config.rate - config.least_rate) * (1 + math.cos(math.pi * min(done, 1))) / 2


# %% wrong learning_rate: the rate rises again after the end
def learning_rate(step: int, config: TrainingConfig) -> float:
    if step < config.warmup:
        return config.rate * (step + 1) / config.warmup
    done = (step - config.warmup) / max(1, config.steps - 1 - config.warmup)  # 0 at the top, 1 at the last step
    return config.least_rate + (config.rate - config.least_rate) * (1 + math.cos(math.pi * done)) / 2


# %% wrong learning_rate: falls to 0 instead of the least rate
def learning_rate(step: int, config: TrainingConfig) -> float:
    if step < config.warmup:
        return config.rate * (step + 1) / config.warmup
    done = (step - config.warmup) / max(1, config.steps - 1 - config.warmup)  # 0 at the top, 1 at the last step
    return config.rate * (1 + math.cos(math.pi * min(done, 1))) / 2


# %% wrong learning_rate: a line down instead of a cosine
def learning_rate(step: int, config: TrainingConfig) -> float:
    if step < config.warmup:
        return config.rate * (step + 1) / config.warmup
    done = (step - config.warmup) / max(1, config.steps - 1 - config.warmup)  # 0 at the top, 1 at the last step
    return config.least_rate + (config.rate - config.least_rate) * (1 - min(done, 1))


# %% wrong learning_rate: a quarter of a cosine
def learning_rate(step: int, config: TrainingConfig) -> float:
    if step < config.warmup:
        return config.rate * (step + 1) / config.warmup
    done = (step - config.warmup) / max(1, config.steps - 1 - config.warmup)  # 0 at the top, 1 at the last step
    return config.least_rate + (config.rate - config.least_rate) * math.cos(math.pi / 2 * min(done, 1))


# %% wrong learning_rate: warms up from the least rate
def learning_rate(step: int, config: TrainingConfig) -> float:
    if step < config.warmup:
        return config.least_rate + (config.rate - config.least_rate) * step / max(1, config.warmup - 1)
    done = (step - config.warmup) / max(1, config.steps - 1 - config.warmup)  # 0 at the top, 1 at the last step
    return config.least_rate + (config.rate - config.least_rate) * (1 + math.cos(math.pi * min(done, 1))) / 2


# %% wrong learning_rate: divides by 0 where one step is left
def learning_rate(step: int, config: TrainingConfig) -> float:
    if step < config.warmup:
        return config.rate * (step + 1) / config.warmup
    done = (step - config.warmup) / (config.steps - 1 - config.warmup)  # 0 at the top, 1 at the last step
    return config.least_rate + (config.rate - config.least_rate) * (1 + math.cos(math.pi * min(done, 1))) / 2


# %% wrong learning_rate: the least rate is added on top of the full rate
def learning_rate(step: int, config: TrainingConfig) -> float:
    if step < config.warmup:
        return config.rate * (step + 1) / config.warmup
    done = (step - config.warmup) / max(1, config.steps - 1 - config.warmup)  # 0 at the top, 1 at the last step
    return config.least_rate + config.rate * (1 + math.cos(math.pi * min(done, 1))) / 2


# %% right learning_rate: numpy's interp for both pieces
def learning_rate(step, config):
    if step < config.warmup:
        return float(np.interp(step + 1, [0, config.warmup], [0, config.rate]))
    last = config.steps - 1
    if step >= last > config.warmup or step > last:
        return config.least_rate
    angle = np.interp(step, [config.warmup, max(last, config.warmup + 1)], [0, np.pi])
    return float(config.least_rate + 0.5 * (config.rate - config.least_rate) * (1 + np.cos(angle)))


# %% right learning_rate: squared cosine of half the angle, the smaller of two ramps
def learning_rate(step, config):
    rising = config.rate * (step + 1) / config.warmup if step < config.warmup else math.inf
    length = config.steps - 1 - config.warmup
    share = 0.0 if length <= 0 and step <= config.warmup else min(1.0, max(0, step - config.warmup) / max(length, 1))
    falling = config.least_rate + (config.rate - config.least_rate) * math.cos(share * math.pi / 2) ** 2
    return min(rising, falling)


# %% wrong optimiser_of: everything decays
def optimiser_of(model: nn.Module, config: TrainingConfig) -> torch.optim.AdamW:
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": config.decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": config.decay},
    ]
    return torch.optim.AdamW(groups, lr=config.rate, betas=(0.9, 0.99))


# %% wrong optimiser_of: AdamW's own decay for vectors
def optimiser_of(model: nn.Module, config: TrainingConfig) -> torch.optim.AdamW:
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": config.decay},
        {"params": [p for p in parameters if p.ndim < 2]},
    ]
    return torch.optim.AdamW(groups, lr=config.rate, betas=(0.9, 0.99))


# %% wrong optimiser_of: Adam with L2 in place of decoupled decay
def optimiser_of(model, config):
    class Coupled(torch.optim.AdamW):
        def step(self):
            with torch.no_grad():
                for group in self.param_groups:
                    for p in group["params"]:
                        if p.grad is not None:
                            p.grad.add_(p, alpha=group["l2"])
            super().step()

    parameters = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": 0.0, "l2": config.decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0, "l2": 0.0},
    ]
    return Coupled(groups, lr=config.rate, betas=(0.9, 0.99))


# %% wrong optimiser_of: goes by the name: whatever is called weight decays
def optimiser_of(model, config):
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    groups = [
        {"params": [p for name, p in named if name.endswith("weight")], "weight_decay": config.decay},
        {"params": [p for name, p in named if not name.endswith("weight")], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.rate, betas=(0.9, 0.99))


# %% wrong optimiser_of: goes by the name: biases and norms do not decay
def optimiser_of(model, config):
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    spared = [p for name, p in named if "bias" in name or p.ndim < 2]
    others = [p for name, p in named if not ("bias" in name or p.ndim < 2)]
    groups = [{"params": others, "weight_decay": config.decay}, {"params": spared, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=config.rate, betas=(0.9, 0.99))


# %% wrong optimiser_of: only matrices are trained
def optimiser_of(model, config):
    matrices = [p for p in model.parameters() if p.requires_grad and p.ndim >= 2]
    return torch.optim.AdamW(matrices, lr=config.rate, betas=(0.9, 0.99), weight_decay=config.decay)


# %% wrong optimiser_of: frozen parameters are in the groups too
def optimiser_of(model: nn.Module, config: TrainingConfig) -> torch.optim.AdamW:
    parameters = [parameter for parameter in model.parameters()]
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": config.decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.rate, betas=(0.9, 0.99))


# %% wrong optimiser_of: parameters with exactly two axes decay
def optimiser_of(model: nn.Module, config: TrainingConfig) -> torch.optim.AdamW:
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim == 2], "weight_decay": config.decay},
        {"params": [p for p in parameters if p.ndim != 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.rate, betas=(0.9, 0.99))


# %% wrong optimiser_of: PyTorch's usual betas
def optimiser_of(model: nn.Module, config: TrainingConfig) -> torch.optim.AdamW:
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": config.decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.rate)


# %% wrong optimiser_of: embeddings do not decay
def optimiser_of(model, config):
    spared = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)}
    parameters = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2 and id(p) not in spared], "weight_decay": config.decay},
        {"params": [p for p in parameters if p.ndim < 2 or id(p) in spared], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.rate, betas=(0.9, 0.99))


# %% right optimiser_of: a group for each parameter
def optimiser_of(model, config):
    groups = [
        dict(params=[p], weight_decay=config.decay * (p.dim() > 1)) for p in model.parameters() if p.requires_grad
    ]
    return torch.optim.AdamW(groups, lr=config.rate, betas=(0.9, 0.99))


# %% right optimiser_of: decay as the default, vectors as the exception; the fused kernel
def optimiser_of(model, config):
    trained = dict((name, p) for name, p in model.named_parameters() if p.requires_grad)
    vectors = [name for name, p in trained.items() if len(p.shape) <= 1]
    others = [p for name, p in trained.items() if name not in vectors]
    groups = [{"params": others}, {"params": [trained[name] for name in vectors], "weight_decay": 0}]
    return torch.optim.AdamW(groups, lr=config.rate, betas=(0.9, 0.99), weight_decay=config.decay, fused=True)


# %% wrong accumulate: the mean of the micro-batches' means
def accumulate(model, batches, scale=None, precision="float32"):
    total = 0.0
    for inputs, targets in batches:
        with autocast(inputs.device, precision):
            logits = model(inputs)
        part = F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten()) / len(batches)
        (part if scale is None else scale(part)).backward()
        total += part.item()
    return total


# %% wrong accumulate: the sum of the micro-batches' means: nothing is divided
def accumulate(model, batches, scale=None, precision="float32"):
    total = 0.0
    for inputs, targets in batches:
        with autocast(inputs.device, precision):
            logits = model(inputs)
        part = F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten())
        (part if scale is None else scale(part)).backward()
        total += part.item()
    return total / len(batches)


# %% wrong accumulate: targets of -100 are in the number of targets
def accumulate(
    model: nn.Module,
    batches: list[tuple[Int[Tensor, "B T"], Int[Tensor, "B T"]]],
    scale: Callable[[Tensor], Tensor] | None = None,
    precision: str = "float32",
) -> float:
    count = sum(targets.numel() for _, targets in batches)
    total = 0.0
    for inputs, targets in batches:
        with autocast(inputs.device, precision):
            logits = model(inputs)  # (B, T, V)
        summed = F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), reduction="sum", ignore_index=-100)
        part = summed / count  # this micro-batch's part of the mean over all tokens
        (part if scale is None else scale(part)).backward()
        total += part.item()
    return total


# %% wrong accumulate: the loss that is returned is the scaled one
def accumulate(
    model: nn.Module,
    batches: list[tuple[Int[Tensor, "B T"], Int[Tensor, "B T"]]],
    scale: Callable[[Tensor], Tensor] | None = None,
    precision: str = "float32",
) -> float:
    count = sum((targets != -100).sum().item() for _, targets in batches)
    total = 0.0
    for inputs, targets in batches:
        with autocast(inputs.device, precision):
            logits = model(inputs)  # (B, T, V)
        summed = F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), reduction="sum", ignore_index=-100)
        part = summed / count  # this micro-batch's part of the mean over all tokens
        part = part if scale is None else scale(part)
        part.backward()
        total += part.item()
    return total


# %% wrong accumulate: all graphs are kept, one backward at the end
def accumulate(model, batches, scale=None, precision="float32"):
    count = sum((targets != -100).sum().item() for _, targets in batches)
    loss = 0.0
    for inputs, targets in batches:
        with autocast(inputs.device, precision):
            logits = model(inputs)
        loss = loss + F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), reduction="sum") / count
    (loss if scale is None else scale(loss)).backward()
    return loss.item()


# %% wrong accumulate: empties the gradients first
def accumulate(
    model: nn.Module,
    batches: list[tuple[Int[Tensor, "B T"], Int[Tensor, "B T"]]],
    scale: Callable[[Tensor], Tensor] | None = None,
    precision: str = "float32",
) -> float:
    count = sum((targets != -100).sum().item() for _, targets in batches)
    total = 0.0
    model.zero_grad()
    for inputs, targets in batches:
        with autocast(inputs.device, precision):
            logits = model(inputs)  # (B, T, V)
        summed = F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), reduction="sum", ignore_index=-100)
        part = summed / count  # this micro-batch's part of the mean over all tokens
        (part if scale is None else scale(part)).backward()
        total += part.item()
    return total


# %% wrong accumulate: empties the gradients before each micro-batch, so that the last one stays
def accumulate(
    model: nn.Module,
    batches: list[tuple[Int[Tensor, "B T"], Int[Tensor, "B T"]]],
    scale: Callable[[Tensor], Tensor] | None = None,
    precision: str = "float32",
) -> float:
    count = sum((targets != -100).sum().item() for _, targets in batches)
    total = 0.0
    before = [None if p.grad is None else p.grad.clone() for p in model.parameters()]
    for inputs, targets in batches:
        for p, g in zip(model.parameters(), before):
            p.grad = None if g is None else g.clone()
        with autocast(inputs.device, precision):
            logits = model(inputs)  # (B, T, V)
        summed = F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), reduction="sum", ignore_index=-100)
        part = summed / count  # this micro-batch's part of the mean over all tokens
        (part if scale is None else scale(part)).backward()
        total += part.item()
    return total


# %% wrong accumulate: the precision is ignored
def accumulate(
    model: nn.Module,
    batches: list[tuple[Int[Tensor, "B T"], Int[Tensor, "B T"]]],
    scale: Callable[[Tensor], Tensor] | None = None,
    precision: str = "float32",
) -> float:
    count = sum((targets != -100).sum().item() for _, targets in batches)
    total = 0.0
    for inputs, targets in batches:
        with nullcontext():
            logits = model(inputs)  # (B, T, V)
        summed = F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), reduction="sum", ignore_index=-100)
        part = summed / count  # this micro-batch's part of the mean over all tokens
        (part if scale is None else scale(part)).backward()
        total += part.item()
    return total


# %% wrong accumulate: the scale is ignored
def accumulate(
    model: nn.Module,
    batches: list[tuple[Int[Tensor, "B T"], Int[Tensor, "B T"]]],
    scale: Callable[[Tensor], Tensor] | None = None,
    precision: str = "float32",
) -> float:
    count = sum((targets != -100).sum().item() for _, targets in batches)
    total = 0.0
    for inputs, targets in batches:
        with autocast(inputs.device, precision):
            logits = model(inputs)  # (B, T, V)
        summed = F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), reduction="sum", ignore_index=-100)
        part = summed / count  # this micro-batch's part of the mean over all tokens
        part.backward()
        total += part.item()
    return total


# %% wrong accumulate: the gradient is scaled down in place of the loss: what was there before shrinks too
def accumulate(model, batches, scale=None, precision="float32"):
    count = sum((targets != -100).sum().item() for _, targets in batches)
    total = 0.0
    for inputs, targets in batches:
        with autocast(inputs.device, precision):
            logits = model(inputs)
        part = F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), reduction="sum")
        (part if scale is None else scale(part)).backward()
        total += part.item()
    for parameter in model.parameters():
        parameter.grad /= count
    return total / count


# %% wrong accumulate: the model itself is turned to half precision
def accumulate(
    model: nn.Module,
    batches: list[tuple[Int[Tensor, "B T"], Int[Tensor, "B T"]]],
    scale: Callable[[Tensor], Tensor] | None = None,
    precision: str = "float32",
) -> float:
    count = sum((targets != -100).sum().item() for _, targets in batches)
    total = 0.0
    model.to(getattr(torch, precision))
    for inputs, targets in batches:
        with nullcontext():
            logits = model(inputs)  # (B, T, V)
        summed = F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), reduction="sum", ignore_index=-100)
        part = summed / count  # this micro-batch's part of the mean over all tokens
        (part if scale is None else scale(part)).backward()
        total += part.item()
    return total


# %% wrong accumulate: weights by sequences instead of tokens
def accumulate(model, batches, scale=None, precision="float32"):
    rows = sum(len(targets) for _, targets in batches)
    total = 0.0
    for inputs, targets in batches:
        with autocast(inputs.device, precision):
            logits = model(inputs)
        part = F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten()) * len(targets) / rows
        (part if scale is None else scale(part)).backward()
        total += part.item()
    return total


# %% right accumulate: means weighted by their share of the targets
def accumulate(model, batches, scale=None, precision="float32"):
    counts = [int((targets != -100).sum()) for _, targets in batches]
    total = 0.0
    for (inputs, targets), count in zip(batches, counts):
        if not count:
            continue_ = model(inputs).sum() * 0.0
            continue_.backward()
            continue
        with autocast(inputs.device, precision):
            logits = model(inputs)
        mean = F.cross_entropy(logits.float().transpose(1, 2), targets)
        loss = mean * (count / sum(counts))
        (scale or (lambda x: x))(loss).backward()
        total += loss.item()
    return total


# %% right accumulate: log-probabilities gathered where targets count
def accumulate(model, batches, scale=None, precision="float32"):
    everything = torch.cat([targets.flatten() for _, targets in batches])
    count = everything.ge(0).sum()
    losses = []
    for inputs, targets in batches:
        with autocast(inputs.device, precision):
            logits = model(inputs)
        there = targets >= 0
        logs = logits.float().log_softmax(-1)[there]
        loss = -logs.gather(1, targets[there][:, None]).sum() / count
        if scale is not None:
            scale(loss).backward()
        else:
            loss.backward()
        losses.append(loss.detach())
    return torch.stack(losses).sum().item()


# %% wrong loss_scaler: an inf is not noticed: the step is taken
class LossScaler:
    def __init__(self, factor: float = 2.0**16, interval: int = 2_000, enabled: bool = True) -> None:
        self.factor, self.interval, self.enabled = factor, interval, enabled
        self.good = 0  # steps in a row without an inf
        self.found_inf = False  # in the last unscale_

    def scale(self, loss: Float[Tensor, ""]) -> Float[Tensor, ""]:
        return loss * self.factor if self.enabled else loss

    def unscale_(self, optimiser: torch.optim.Optimizer) -> None:
        if not self.enabled:
            return
        self.found_inf = False
        for group in optimiser.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.grad.div_(self.factor)
                    pass

    def step(self, optimiser: torch.optim.Optimizer) -> None:
        if not self.found_inf:
            optimiser.step()

    def update(self) -> None:
        if not self.enabled:
            return
        self.good = 0 if self.found_inf else self.good + 1
        if self.found_inf:
            self.factor /= 2
        elif self.good == self.interval:
            self.factor, self.good = self.factor * 2, 0

    def state_dict(self) -> dict:
        return {"factor": self.factor, "good": self.good}

    def load_state_dict(self, state: dict) -> None:
        self.factor, self.good = state["factor"], state["good"]


# %% wrong loss_scaler: only infinities are noticed, not NaN
class LossScaler:
    def __init__(self, factor: float = 2.0**16, interval: int = 2_000, enabled: bool = True) -> None:
        self.factor, self.interval, self.enabled = factor, interval, enabled
        self.good = 0  # steps in a row without an inf
        self.found_inf = False  # in the last unscale_

    def scale(self, loss: Float[Tensor, ""]) -> Float[Tensor, ""]:
        return loss * self.factor if self.enabled else loss

    def unscale_(self, optimiser: torch.optim.Optimizer) -> None:
        if not self.enabled:
            return
        self.found_inf = False
        for group in optimiser.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.grad.div_(self.factor)
                    self.found_inf |= torch.isinf(parameter.grad).any().item()

    def step(self, optimiser: torch.optim.Optimizer) -> None:
        if not self.found_inf:
            optimiser.step()

    def update(self) -> None:
        if not self.enabled:
            return
        self.good = 0 if self.found_inf else self.good + 1
        if self.found_inf:
            self.factor /= 2
        elif self.good == self.interval:
            self.factor, self.good = self.factor * 2, 0

    def state_dict(self) -> dict:
        return {"factor": self.factor, "good": self.good}

    def load_state_dict(self, state: dict) -> None:
        self.factor, self.good = state["factor"], state["good"]


# %% wrong loss_scaler: only the last parameter decides
class LossScaler:
    def __init__(self, factor: float = 2.0**16, interval: int = 2_000, enabled: bool = True) -> None:
        self.factor, self.interval, self.enabled = factor, interval, enabled
        self.good = 0  # steps in a row without an inf
        self.found_inf = False  # in the last unscale_

    def scale(self, loss: Float[Tensor, ""]) -> Float[Tensor, ""]:
        return loss * self.factor if self.enabled else loss

    def unscale_(self, optimiser: torch.optim.Optimizer) -> None:
        if not self.enabled:
            return
        self.found_inf = False
        for group in optimiser.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.grad.div_(self.factor)
                    self.found_inf = not torch.isfinite(parameter.grad).all().item()

    def step(self, optimiser: torch.optim.Optimizer) -> None:
        if not self.found_inf:
            optimiser.step()

    def update(self) -> None:
        if not self.enabled:
            return
        self.good = 0 if self.found_inf else self.good + 1
        if self.found_inf:
            self.factor /= 2
        elif self.good == self.interval:
            self.factor, self.good = self.factor * 2, 0

    def state_dict(self) -> dict:
        return {"factor": self.factor, "good": self.good}

    def load_state_dict(self, state: dict) -> None:
        self.factor, self.good = state["factor"], state["good"]


# %% wrong loss_scaler: a bad step is never forgotten
class LossScaler:
    def __init__(self, factor: float = 2.0**16, interval: int = 2_000, enabled: bool = True) -> None:
        self.factor, self.interval, self.enabled = factor, interval, enabled
        self.good = 0  # steps in a row without an inf
        self.found_inf = False  # in the last unscale_

    def scale(self, loss: Float[Tensor, ""]) -> Float[Tensor, ""]:
        return loss * self.factor if self.enabled else loss

    def unscale_(self, optimiser: torch.optim.Optimizer) -> None:
        if not self.enabled:
            return
        for group in optimiser.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.grad.div_(self.factor)
                    self.found_inf |= not torch.isfinite(parameter.grad).all().item()

    def step(self, optimiser: torch.optim.Optimizer) -> None:
        if not self.found_inf:
            optimiser.step()

    def update(self) -> None:
        if not self.enabled:
            return
        self.good = 0 if self.found_inf else self.good + 1
        if self.found_inf:
            self.factor /= 2
        elif self.good == self.interval:
            self.factor, self.good = self.factor * 2, 0

    def state_dict(self) -> dict:
        return {"factor": self.factor, "good": self.good}

    def load_state_dict(self, state: dict) -> None:
        self.factor, self.good = state["factor"], state["good"]


# %% wrong loss_scaler: only the first group is unscaled
class LossScaler:
    def __init__(self, factor: float = 2.0**16, interval: int = 2_000, enabled: bool = True) -> None:
        self.factor, self.interval, self.enabled = factor, interval, enabled
        self.good = 0  # steps in a row without an inf
        self.found_inf = False  # in the last unscale_

    def scale(self, loss: Float[Tensor, ""]) -> Float[Tensor, ""]:
        return loss * self.factor if self.enabled else loss

    def unscale_(self, optimiser: torch.optim.Optimizer) -> None:
        if not self.enabled:
            return
        self.found_inf = False
        for group in optimiser.param_groups[:1]:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.grad.div_(self.factor)
                    self.found_inf |= not torch.isfinite(parameter.grad).all().item()

    def step(self, optimiser: torch.optim.Optimizer) -> None:
        if not self.found_inf:
            optimiser.step()

    def update(self) -> None:
        if not self.enabled:
            return
        self.good = 0 if self.found_inf else self.good + 1
        if self.found_inf:
            self.factor /= 2
        elif self.good == self.interval:
            self.factor, self.good = self.factor * 2, 0

    def state_dict(self) -> dict:
        return {"factor": self.factor, "good": self.good}

    def load_state_dict(self, state: dict) -> None:
        self.factor, self.good = state["factor"], state["good"]


# %% wrong loss_scaler: gradients are multiplied again
class LossScaler:
    def __init__(self, factor: float = 2.0**16, interval: int = 2_000, enabled: bool = True) -> None:
        self.factor, self.interval, self.enabled = factor, interval, enabled
        self.good = 0  # steps in a row without an inf
        self.found_inf = False  # in the last unscale_

    def scale(self, loss: Float[Tensor, ""]) -> Float[Tensor, ""]:
        return loss * self.factor if self.enabled else loss

    def unscale_(self, optimiser: torch.optim.Optimizer) -> None:
        if not self.enabled:
            return
        self.found_inf = False
        for group in optimiser.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.grad.mul_(self.factor)
                    self.found_inf |= not torch.isfinite(parameter.grad).all().item()

    def step(self, optimiser: torch.optim.Optimizer) -> None:
        if not self.found_inf:
            optimiser.step()

    def update(self) -> None:
        if not self.enabled:
            return
        self.good = 0 if self.found_inf else self.good + 1
        if self.found_inf:
            self.factor /= 2
        elif self.good == self.interval:
            self.factor, self.good = self.factor * 2, 0

    def state_dict(self) -> dict:
        return {"factor": self.factor, "good": self.good}

    def load_state_dict(self, state: dict) -> None:
        self.factor, self.good = state["factor"], state["good"]


# %% wrong loss_scaler: step unscales once more
class LossScaler:
    def __init__(self, factor: float = 2.0**16, interval: int = 2_000, enabled: bool = True) -> None:
        self.factor, self.interval, self.enabled = factor, interval, enabled
        self.good = 0  # steps in a row without an inf
        self.found_inf = False  # in the last unscale_

    def scale(self, loss: Float[Tensor, ""]) -> Float[Tensor, ""]:
        return loss * self.factor if self.enabled else loss

    def unscale_(self, optimiser: torch.optim.Optimizer) -> None:
        if not self.enabled:
            return
        self.found_inf = False
        for group in optimiser.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.grad.div_(self.factor)
                    self.found_inf |= not torch.isfinite(parameter.grad).all().item()

    def step(self, optimiser: torch.optim.Optimizer) -> None:
        if not self.found_inf:
            self.unscale_(optimiser)
            optimiser.step()

    def update(self) -> None:
        if not self.enabled:
            return
        self.good = 0 if self.found_inf else self.good + 1
        if self.found_inf:
            self.factor /= 2
        elif self.good == self.interval:
            self.factor, self.good = self.factor * 2, 0

    def state_dict(self) -> dict:
        return {"factor": self.factor, "good": self.good}

    def load_state_dict(self, state: dict) -> None:
        self.factor, self.good = state["factor"], state["good"]


# %% wrong loss_scaler: the factor stays after a bad step
class LossScaler:
    def __init__(self, factor: float = 2.0**16, interval: int = 2_000, enabled: bool = True) -> None:
        self.factor, self.interval, self.enabled = factor, interval, enabled
        self.good = 0  # steps in a row without an inf
        self.found_inf = False  # in the last unscale_

    def scale(self, loss: Float[Tensor, ""]) -> Float[Tensor, ""]:
        return loss * self.factor if self.enabled else loss

    def unscale_(self, optimiser: torch.optim.Optimizer) -> None:
        if not self.enabled:
            return
        self.found_inf = False
        for group in optimiser.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.grad.div_(self.factor)
                    self.found_inf |= not torch.isfinite(parameter.grad).all().item()

    def step(self, optimiser: torch.optim.Optimizer) -> None:
        if not self.found_inf:
            optimiser.step()

    def update(self) -> None:
        if not self.enabled:
            return
        self.good = 0 if self.found_inf else self.good + 1
        if self.found_inf:
            pass
        elif self.good == self.interval:
            self.factor, self.good = self.factor * 2, 0

    def state_dict(self) -> dict:
        return {"factor": self.factor, "good": self.good}

    def load_state_dict(self, state: dict) -> None:
        self.factor, self.good = state["factor"], state["good"]


# %% wrong loss_scaler: good steps are counted on over a bad one
class LossScaler:
    def __init__(self, factor: float = 2.0**16, interval: int = 2_000, enabled: bool = True) -> None:
        self.factor, self.interval, self.enabled = factor, interval, enabled
        self.good = 0  # steps in a row without an inf
        self.found_inf = False  # in the last unscale_

    def scale(self, loss: Float[Tensor, ""]) -> Float[Tensor, ""]:
        return loss * self.factor if self.enabled else loss

    def unscale_(self, optimiser: torch.optim.Optimizer) -> None:
        if not self.enabled:
            return
        self.found_inf = False
        for group in optimiser.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.grad.div_(self.factor)
                    self.found_inf |= not torch.isfinite(parameter.grad).all().item()

    def step(self, optimiser: torch.optim.Optimizer) -> None:
        if not self.found_inf:
            optimiser.step()

    def update(self) -> None:
        if not self.enabled:
            return
        self.good += not self.found_inf
        if self.found_inf:
            self.factor /= 2
        elif self.good == self.interval:
            self.factor, self.good = self.factor * 2, 0

    def state_dict(self) -> dict:
        return {"factor": self.factor, "good": self.good}

    def load_state_dict(self, state: dict) -> None:
        self.factor, self.good = state["factor"], state["good"]


# %% wrong loss_scaler: the count goes on after a doubling
class LossScaler:
    def __init__(self, factor: float = 2.0**16, interval: int = 2_000, enabled: bool = True) -> None:
        self.factor, self.interval, self.enabled = factor, interval, enabled
        self.good = 0  # steps in a row without an inf
        self.found_inf = False  # in the last unscale_

    def scale(self, loss: Float[Tensor, ""]) -> Float[Tensor, ""]:
        return loss * self.factor if self.enabled else loss

    def unscale_(self, optimiser: torch.optim.Optimizer) -> None:
        if not self.enabled:
            return
        self.found_inf = False
        for group in optimiser.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.grad.div_(self.factor)
                    self.found_inf |= not torch.isfinite(parameter.grad).all().item()

    def step(self, optimiser: torch.optim.Optimizer) -> None:
        if not self.found_inf:
            optimiser.step()

    def update(self) -> None:
        if not self.enabled:
            return
        self.good = 0 if self.found_inf else self.good + 1
        if self.found_inf:
            self.factor /= 2
        elif self.good == self.interval:
            self.factor = self.factor * 2

    def state_dict(self) -> dict:
        return {"factor": self.factor, "good": self.good}

    def load_state_dict(self, state: dict) -> None:
        self.factor, self.good = state["factor"], state["good"]


# %% wrong loss_scaler: a bad step puts gradients to 0 and steps: the moments move
class LossScaler:
    def __init__(self, factor: float = 2.0**16, interval: int = 2_000, enabled: bool = True) -> None:
        self.factor, self.interval, self.enabled = factor, interval, enabled
        self.good = 0  # steps in a row without an inf
        self.found_inf = False  # in the last unscale_

    def scale(self, loss: Float[Tensor, ""]) -> Float[Tensor, ""]:
        return loss * self.factor if self.enabled else loss

    def unscale_(self, optimiser: torch.optim.Optimizer) -> None:
        if not self.enabled:
            return
        self.found_inf = False
        for group in optimiser.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.grad.div_(self.factor)
                    self.found_inf |= not torch.isfinite(parameter.grad).all().item()

    def step(self, optimiser: torch.optim.Optimizer) -> None:
        if self.found_inf:
            optimiser.zero_grad(set_to_none=False)
        optimiser.step()

    def update(self) -> None:
        if not self.enabled:
            return
        self.good = 0 if self.found_inf else self.good + 1
        if self.found_inf:
            self.factor /= 2
        elif self.good == self.interval:
            self.factor, self.good = self.factor * 2, 0

    def state_dict(self) -> dict:
        return {"factor": self.factor, "good": self.good}

    def load_state_dict(self, state: dict) -> None:
        self.factor, self.good = state["factor"], state["good"]


# %% wrong loss_scaler: works where it is not enabled
class LossScaler:
    def __init__(self, factor: float = 2.0**16, interval: int = 2_000, enabled: bool = True) -> None:
        self.factor, self.interval, self.enabled = factor, interval, enabled
        self.good = 0  # steps in a row without an inf
        self.found_inf = False  # in the last unscale_

    def scale(self, loss: Float[Tensor, ""]) -> Float[Tensor, ""]:
        return loss * self.factor

    def unscale_(self, optimiser: torch.optim.Optimizer) -> None:
        self.found_inf = False
        for group in optimiser.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.grad.div_(self.factor)
                    self.found_inf |= not torch.isfinite(parameter.grad).all().item()

    def step(self, optimiser: torch.optim.Optimizer) -> None:
        if not self.found_inf:
            optimiser.step()

    def update(self) -> None:
        self.good = 0 if self.found_inf else self.good + 1
        if self.found_inf:
            self.factor /= 2
        elif self.good == self.interval:
            self.factor, self.good = self.factor * 2, 0

    def state_dict(self) -> dict:
        return {"factor": self.factor, "good": self.good}

    def load_state_dict(self, state: dict) -> None:
        self.factor, self.good = state["factor"], state["good"]


# %% wrong loss_scaler: doubles one step late
class LossScaler:
    def __init__(self, factor: float = 2.0**16, interval: int = 2_000, enabled: bool = True) -> None:
        self.factor, self.interval, self.enabled = factor, interval, enabled
        self.good = 0  # steps in a row without an inf
        self.found_inf = False  # in the last unscale_

    def scale(self, loss: Float[Tensor, ""]) -> Float[Tensor, ""]:
        return loss * self.factor if self.enabled else loss

    def unscale_(self, optimiser: torch.optim.Optimizer) -> None:
        if not self.enabled:
            return
        self.found_inf = False
        for group in optimiser.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.grad.div_(self.factor)
                    self.found_inf |= not torch.isfinite(parameter.grad).all().item()

    def step(self, optimiser: torch.optim.Optimizer) -> None:
        if not self.found_inf:
            optimiser.step()

    def update(self) -> None:
        if not self.enabled:
            return
        self.good = 0 if self.found_inf else self.good + 1
        if self.found_inf:
            self.factor /= 2
        elif self.good > self.interval:
            self.factor, self.good = self.factor * 2, 0

    def state_dict(self) -> dict:
        return {"factor": self.factor, "good": self.good}

    def load_state_dict(self, state: dict) -> None:
        self.factor, self.good = state["factor"], state["good"]


# %% right loss_scaler: gradients gathered first, and one finite sum
class LossScaler:
    def __init__(self, factor=2.0**16, interval=2_000, enabled=True):
        self.factor, self.interval, self.enabled = factor, interval, enabled
        self.good = 0
        self.found_inf = False

    def scale(self, loss):
        if self.enabled:
            return self.factor * loss
        return loss

    @torch.no_grad()
    def unscale_(self, optimiser):
        if self.enabled:
            gradients = [p.grad for group in optimiser.param_groups for p in group["params"] if p.grad is not None]
            for gradient in gradients:
                gradient *= 1 / self.factor
            self.found_inf = any((~gradient.isfinite()).any().item() for gradient in gradients)

    def step(self, optimiser):
        if self.found_inf:
            return
        optimiser.step()

    def update(self):
        if self.enabled and self.found_inf:
            self.factor, self.good = self.factor * 0.5, 0
        elif self.enabled:
            self.good += 1
            if self.good >= self.interval:
                self.factor *= 2
                self.good = 0

    def state_dict(self):
        return {"factor": self.factor, "good": self.good}

    def load_state_dict(self, state):
        self.factor, self.good = state["factor"], state["good"]


# %% right loss_scaler: gradients replaced by new tensors, the norm tells
class LossScaler:
    def __init__(self, factor: float = 2.0**16, interval: int = 2_000, enabled: bool = True) -> None:
        self.factor, self.interval, self.enabled = factor, interval, enabled
        self.good = 0  # steps in a row without an inf
        self.found_inf = False  # in the last unscale_

    def scale(self, loss: Float[Tensor, ""]) -> Float[Tensor, ""]:
        return loss * self.factor if self.enabled else loss

    def unscale_(self, optimiser: torch.optim.Optimizer) -> None:
        if not self.enabled:
            return
        self.found_inf = False
        for group in optimiser.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.grad = parameter.grad / self.factor
                    self.found_inf |= not math.isfinite(parameter.grad.abs().max().item())

    def step(self, optimiser: torch.optim.Optimizer) -> None:
        if not self.found_inf:
            optimiser.step()

    def update(self) -> None:
        if not self.enabled:
            return
        self.good = 0 if self.found_inf else self.good + 1
        if self.found_inf:
            self.factor /= 2
        elif self.good == self.interval:
            self.factor, self.good = self.factor * 2, 0

    def state_dict(self) -> dict:
        return {"factor": self.factor, "good": self.good}

    def load_state_dict(self, state: dict) -> None:
        self.factor, self.good = state["factor"], state["good"]


# %% wrong checkpoint_file: torch's own file without a digest: a changed byte of a tensor goes unnoticed
class CheckpointError(Exception):
    """A checkpoint file cannot be used; the message names it."""


def save(path, tensors, facts):
    path, buffer = Path(path), io.BytesIO()
    torch.save({"tensors": {name: tensor.detach() for name, tensor in tensors.items()}, "facts": facts}, buffer)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_bytes(buffer.getvalue())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def load(path):
    try:
        kept = torch.load(path, weights_only=True)
        return kept["tensors"], kept["facts"]
    except Exception as error:
        raise CheckpointError(f"{path} is damaged: {error}") from error


# %% wrong checkpoint_file: the length is checked, not the content
class CheckpointError(Exception):
    pass


def save(path: Path, tensors: dict[str, Tensor], facts: dict) -> None:
    path, buffer = Path(path), io.BytesIO()
    torch.save({"tensors": {name: tensor.detach().cpu() for name, tensor in tensors.items()}, "facts": facts}, buffer)
    content = buffer.getvalue()
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_bytes(len(content).to_bytes(32, "big") + content)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def load(path: Path) -> tuple[dict[str, Tensor], dict]:
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error
    digest, content = raw[:32], raw[32:]
    if len(content).to_bytes(32, "big") != digest:
        raise CheckpointError(f"{path} is damaged, or is no checkpoint")
    try:
        kept = torch.load(io.BytesIO(content), weights_only=True)
        return kept["tensors"], kept["facts"]
    except Exception as error:
        raise CheckpointError(f"{path}: {error}") from error


# %% wrong checkpoint_file: only the first kilobyte is in the digest
class CheckpointError(Exception):
    pass


def save(path: Path, tensors: dict[str, Tensor], facts: dict) -> None:
    path, buffer = Path(path), io.BytesIO()
    torch.save({"tensors": {name: tensor.detach().cpu() for name, tensor in tensors.items()}, "facts": facts}, buffer)
    content = buffer.getvalue()
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_bytes(hashlib.sha256(content[:1024]).digest() + content)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def load(path: Path) -> tuple[dict[str, Tensor], dict]:
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error
    digest, content = raw[:32], raw[32:]
    if hashlib.sha256(content[:1024]).digest() != digest:
        raise CheckpointError(f"{path} is damaged, or is no checkpoint")
    try:
        kept = torch.load(io.BytesIO(content), weights_only=True)
        return kept["tensors"], kept["facts"]
    except Exception as error:
        raise CheckpointError(f"{path}: {error}") from error


# %% wrong checkpoint_file: writes straight into the file, so that a failure destroys the older one
class CheckpointError(Exception):
    """A checkpoint file cannot be used; the message names it."""


def save(path, tensors, facts):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as file:
        buffer = io.BytesIO()
        torch.save({"tensors": {name: tensor.detach() for name, tensor in tensors.items()}, "facts": facts}, buffer)
        file.write(hashlib.sha256(buffer.getvalue()).digest() + buffer.getvalue())


def load(path):
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error
    digest, content = raw[:32], raw[32:]
    if hashlib.sha256(content).digest() != digest:
        raise CheckpointError(f"{path} is damaged, or is no checkpoint")
    kept = torch.load(io.BytesIO(content), weights_only=True)
    return kept["tensors"], kept["facts"]


# %% wrong checkpoint_file: the partial file stays where the last move fails
class CheckpointError(Exception):
    pass


def save(path: Path, tensors: dict[str, Tensor], facts: dict) -> None:
    path, buffer = Path(path), io.BytesIO()
    torch.save({"tensors": {name: tensor.detach().cpu() for name, tensor in tensors.items()}, "facts": facts}, buffer)
    content = buffer.getvalue()
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_bytes(hashlib.sha256(content).digest() + content)
        os.replace(partial, path)
    except ZeroDivisionError:
        pass


def load(path: Path) -> tuple[dict[str, Tensor], dict]:
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error
    digest, content = raw[:32], raw[32:]
    if hashlib.sha256(content).digest() != digest:
        raise CheckpointError(f"{path} is damaged, or is no checkpoint")
    kept = torch.load(io.BytesIO(content), weights_only=True)
    return kept["tensors"], kept["facts"]


# %% wrong checkpoint_file: a backup of the older file stays in the folder
class CheckpointError(Exception):
    pass


def save(path: Path, tensors: dict[str, Tensor], facts: dict) -> None:
    path, buffer = Path(path), io.BytesIO()
    torch.save({"tensors": {name: tensor.detach().cpu() for name, tensor in tensors.items()}, "facts": facts}, buffer)
    content = buffer.getvalue()
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_bytes(hashlib.sha256(content).digest() + content)
        if path.exists():
            os.replace(path, path.with_name(path.name + ".old"))
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def load(path: Path) -> tuple[dict[str, Tensor], dict]:
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error
    digest, content = raw[:32], raw[32:]
    if hashlib.sha256(content).digest() != digest:
        raise CheckpointError(f"{path} is damaged, or is no checkpoint")
    kept = torch.load(io.BytesIO(content), weights_only=True)
    return kept["tensors"], kept["facts"]


# %% wrong checkpoint_file: the error does not say which file
class CheckpointError(Exception):
    pass


def save(path: Path, tensors: dict[str, Tensor], facts: dict) -> None:
    path, buffer = Path(path), io.BytesIO()
    torch.save({"tensors": {name: tensor.detach().cpu() for name, tensor in tensors.items()}, "facts": facts}, buffer)
    content = buffer.getvalue()
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_bytes(hashlib.sha256(content).digest() + content)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def load(path: Path) -> tuple[dict[str, Tensor], dict]:
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error
    digest, content = raw[:32], raw[32:]
    if hashlib.sha256(content).digest() != digest:
        raise CheckpointError("the file is damaged, or is no checkpoint")
    kept = torch.load(io.BytesIO(content), weights_only=True)
    return kept["tensors"], kept["facts"]


# %% wrong checkpoint_file: a missing file is an empty checkpoint
class CheckpointError(Exception):
    pass


def save(path: Path, tensors: dict[str, Tensor], facts: dict) -> None:
    path, buffer = Path(path), io.BytesIO()
    torch.save({"tensors": {name: tensor.detach().cpu() for name, tensor in tensors.items()}, "facts": facts}, buffer)
    content = buffer.getvalue()
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_bytes(hashlib.sha256(content).digest() + content)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def load(path: Path) -> tuple[dict[str, Tensor], dict]:
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        return {}, {}
    digest, content = raw[:32], raw[32:]
    if hashlib.sha256(content).digest() != digest:
        raise CheckpointError(f"{path} is damaged, or is no checkpoint")
    kept = torch.load(io.BytesIO(content), weights_only=True)
    return kept["tensors"], kept["facts"]


# %% wrong checkpoint_file: a missing file raises Python's own error
class CheckpointError(Exception):
    pass


def save(path: Path, tensors: dict[str, Tensor], facts: dict) -> None:
    path, buffer = Path(path), io.BytesIO()
    torch.save({"tensors": {name: tensor.detach().cpu() for name, tensor in tensors.items()}, "facts": facts}, buffer)
    content = buffer.getvalue()
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_bytes(hashlib.sha256(content).digest() + content)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def load(path: Path) -> tuple[dict[str, Tensor], dict]:
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        raise OSError(f"{path} cannot be read") from error
    digest, content = raw[:32], raw[32:]
    if hashlib.sha256(content).digest() != digest:
        raise CheckpointError(f"{path} is damaged, or is no checkpoint")
    kept = torch.load(io.BytesIO(content), weights_only=True)
    return kept["tensors"], kept["facts"]


# %% wrong checkpoint_file: folders are not made
class CheckpointError(Exception):
    pass


def save(path: Path, tensors: dict[str, Tensor], facts: dict) -> None:
    path, buffer = Path(path), io.BytesIO()
    torch.save({"tensors": {name: tensor.detach().cpu() for name, tensor in tensors.items()}, "facts": facts}, buffer)
    content = buffer.getvalue()
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_bytes(hashlib.sha256(content).digest() + content)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def load(path: Path) -> tuple[dict[str, Tensor], dict]:
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error
    digest, content = raw[:32], raw[32:]
    if hashlib.sha256(content).digest() != digest:
        raise CheckpointError(f"{path} is damaged, or is no checkpoint")
    kept = torch.load(io.BytesIO(content), weights_only=True)
    return kept["tensors"], kept["facts"]


# %% wrong checkpoint_file: everything becomes float32
class CheckpointError(Exception):
    pass


def save(path: Path, tensors: dict[str, Tensor], facts: dict) -> None:
    path, buffer = Path(path), io.BytesIO()
    torch.save(
        {"tensors": {name: tensor.detach().cpu().float() for name, tensor in tensors.items()}, "facts": facts}, buffer
    )
    content = buffer.getvalue()
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_bytes(hashlib.sha256(content).digest() + content)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def load(path: Path) -> tuple[dict[str, Tensor], dict]:
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error
    digest, content = raw[:32], raw[32:]
    if hashlib.sha256(content).digest() != digest:
        raise CheckpointError(f"{path} is damaged, or is no checkpoint")
    kept = torch.load(io.BytesIO(content), weights_only=True)
    return kept["tensors"], kept["facts"]


# %% wrong checkpoint_file: facts are kept as text
class CheckpointError(Exception):
    pass


def save(path: Path, tensors: dict[str, Tensor], facts: dict) -> None:
    path, buffer = Path(path), io.BytesIO()
    torch.save(
        {"tensors": {name: tensor.detach().cpu() for name, tensor in tensors.items()}, "facts": str(facts)}, buffer
    )
    content = buffer.getvalue()
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_bytes(hashlib.sha256(content).digest() + content)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def load(path: Path) -> tuple[dict[str, Tensor], dict]:
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error
    digest, content = raw[:32], raw[32:]
    if hashlib.sha256(content).digest() != digest:
        raise CheckpointError(f"{path} is damaged, or is no checkpoint")
    kept = torch.load(io.BytesIO(content), weights_only=True)
    return kept["tensors"], kept["facts"]


# %% right checkpoint_file: safetensors with the facts inside, a hex digest as the last line
import safetensors.torch


class CheckpointError(RuntimeError):
    pass


def save(path, tensors, facts):
    import json

    text = torch.tensor(list(json.dumps(facts).encode()), dtype=torch.uint8)
    kept = {f"t.{name}": tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}
    content = safetensors.torch.save({**kept, "facts": text})
    content += hashlib.sha256(content).hexdigest().encode()
    os.makedirs(os.path.dirname(path), exist_ok=True)
    handle, name = tempfile.mkstemp(dir=os.path.dirname(path))
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def load(path):
    import json

    try:
        with open(path, "rb") as file:
            raw = file.read()
    except FileNotFoundError:
        raise CheckpointError(f"no such file: {path}") from None
    if len(raw) < 64 or hashlib.sha256(raw[:-64]).hexdigest().encode() != raw[-64:]:
        raise CheckpointError(f"damaged: {path}")
    tensors = safetensors.torch.load(raw[:-64])
    facts = json.loads(bytes(tensors.pop("facts").tolist()))
    return {name[2:]: tensor for name, tensor in tensors.items()}, facts


# %% right checkpoint_file: a zip archive with a digest beside the content
class CheckpointError(Exception):
    pass


def save(path, tensors, facts):
    path = Path(path)
    inner = io.BytesIO()
    torch.save([{name: tensor.detach().clone() for name, tensor in tensors.items()}, facts], inner)
    digest = hashlib.blake2b(inner.getvalue()).hexdigest()
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        partial = Path(folder) / "partial"
        partial.write_bytes(digest.encode() + b"\n" + inner.getvalue())
        partial.replace(path)


def load(path):
    try:
        digest, content = Path(path).read_bytes().split(b"\n", 1)
        if hashlib.blake2b(content).hexdigest().encode() != digest:
            raise ValueError("the digest does not fit")
        tensors, facts = torch.load(io.BytesIO(content), weights_only=True)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"cannot use {path}: {error}") from error
    return tensors, facts


# %% wrong trainer: Adam's moments are forgotten
class Trainer:
    def __init__(self, model: nn.Module, tokens: Int[Tensor, " N"], config: TrainingConfig) -> None:
        self.model, self.tokens, self.config = model, tokens, config
        self.optimiser = optimiser_of(model, config)
        self.generator = torch.Generator().manual_seed(config.seed)  # draws the batches
        self.scaler = LossScaler(enabled=config.precision == "float16")
        self.step = 0

    def run(self, until: int | None = None) -> Iterator[float]:
        self.model.train()
        while self.step < (self.config.steps if until is None else until):
            yield self._step()

    def _step(self) -> float:
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.step, self.config)
        sizes = self.config.batch, self.config.length
        batches = [windows(self.tokens, *sizes, self.generator) for _ in range(self.config.accumulate)]
        loss = accumulate(self.model, batches, self.scaler.scale, self.config.precision)
        self.scaler.unscale_(self.optimiser)
        nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.optimiser.zero_grad(set_to_none=True)
        self.step += 1
        return loss

    def save(self, path: Path) -> None:
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        state = self.optimiser.state_dict()["state"]
        tensors |= {f"optimiser.{i}.{name}": value for i, kept in state.items() for name, value in kept.items()}
        tensors |= {"generator": self.generator.get_state(), "torch": torch.get_rng_state()}
        if self.tokens.is_cuda:
            tensors["cuda"] = torch.cuda.get_rng_state()
        save(path, tensors, {"step": self.step, "config": asdict(self.config), "scaler": self.scaler.state_dict()})

    def resume(self, path: Path) -> None:
        tensors, facts = load(path)
        if facts["config"] != asdict(self.config):
            raise CheckpointError(f"{path} is of another run: {facts['config']}")
        state = self.optimiser.state_dict()
        state["state"] = defaultdict(dict)
        for name, tensor in tensors.items():
            if name.startswith("optimiser."):
                _, number, key = name.split(".")
                pass
        self.model.load_state_dict({n.removeprefix("model."): t for n, t in tensors.items() if n.startswith("model.")})
        self.optimiser.load_state_dict({**state, "state": dict(state["state"])})
        self.scaler.load_state_dict(facts["scaler"])
        self.generator.set_state(tensors["generator"])
        torch.set_rng_state(tensors["torch"])
        if self.tokens.is_cuda:
            torch.cuda.set_rng_state(tensors["cuda"])
        self.step = facts["step"]


# %% wrong trainer: the parameters are forgotten
class Trainer:
    def __init__(self, model: nn.Module, tokens: Int[Tensor, " N"], config: TrainingConfig) -> None:
        self.model, self.tokens, self.config = model, tokens, config
        self.optimiser = optimiser_of(model, config)
        self.generator = torch.Generator().manual_seed(config.seed)  # draws the batches
        self.scaler = LossScaler(enabled=config.precision == "float16")
        self.step = 0

    def run(self, until: int | None = None) -> Iterator[float]:
        self.model.train()
        while self.step < (self.config.steps if until is None else until):
            yield self._step()

    def _step(self) -> float:
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.step, self.config)
        sizes = self.config.batch, self.config.length
        batches = [windows(self.tokens, *sizes, self.generator) for _ in range(self.config.accumulate)]
        loss = accumulate(self.model, batches, self.scaler.scale, self.config.precision)
        self.scaler.unscale_(self.optimiser)
        nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.optimiser.zero_grad(set_to_none=True)
        self.step += 1
        return loss

    def save(self, path: Path) -> None:
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        state = self.optimiser.state_dict()["state"]
        tensors |= {f"optimiser.{i}.{name}": value for i, kept in state.items() for name, value in kept.items()}
        tensors |= {"generator": self.generator.get_state(), "torch": torch.get_rng_state()}
        if self.tokens.is_cuda:
            tensors["cuda"] = torch.cuda.get_rng_state()
        save(path, tensors, {"step": self.step, "config": asdict(self.config), "scaler": self.scaler.state_dict()})

    def resume(self, path: Path) -> None:
        tensors, facts = load(path)
        if facts["config"] != asdict(self.config):
            raise CheckpointError(f"{path} is of another run: {facts['config']}")
        state = self.optimiser.state_dict()
        state["state"] = defaultdict(dict)
        for name, tensor in tensors.items():
            if name.startswith("optimiser."):
                _, number, key = name.split(".")
                state["state"][int(number)][key] = tensor
        self.optimiser.load_state_dict({**state, "state": dict(state["state"])})
        self.scaler.load_state_dict(facts["scaler"])
        self.generator.set_state(tensors["generator"])
        torch.set_rng_state(tensors["torch"])
        if self.tokens.is_cuda:
            torch.cuda.set_rng_state(tensors["cuda"])
        self.step = facts["step"]


# %% wrong trainer: the generator of batches begins again
class Trainer:
    def __init__(self, model: nn.Module, tokens: Int[Tensor, " N"], config: TrainingConfig) -> None:
        self.model, self.tokens, self.config = model, tokens, config
        self.optimiser = optimiser_of(model, config)
        self.generator = torch.Generator().manual_seed(config.seed)  # draws the batches
        self.scaler = LossScaler(enabled=config.precision == "float16")
        self.step = 0

    def run(self, until: int | None = None) -> Iterator[float]:
        self.model.train()
        while self.step < (self.config.steps if until is None else until):
            yield self._step()

    def _step(self) -> float:
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.step, self.config)
        sizes = self.config.batch, self.config.length
        batches = [windows(self.tokens, *sizes, self.generator) for _ in range(self.config.accumulate)]
        loss = accumulate(self.model, batches, self.scaler.scale, self.config.precision)
        self.scaler.unscale_(self.optimiser)
        nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.optimiser.zero_grad(set_to_none=True)
        self.step += 1
        return loss

    def save(self, path: Path) -> None:
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        state = self.optimiser.state_dict()["state"]
        tensors |= {f"optimiser.{i}.{name}": value for i, kept in state.items() for name, value in kept.items()}
        tensors |= {"generator": self.generator.get_state(), "torch": torch.get_rng_state()}
        if self.tokens.is_cuda:
            tensors["cuda"] = torch.cuda.get_rng_state()
        save(path, tensors, {"step": self.step, "config": asdict(self.config), "scaler": self.scaler.state_dict()})

    def resume(self, path: Path) -> None:
        tensors, facts = load(path)
        if facts["config"] != asdict(self.config):
            raise CheckpointError(f"{path} is of another run: {facts['config']}")
        state = self.optimiser.state_dict()
        state["state"] = defaultdict(dict)
        for name, tensor in tensors.items():
            if name.startswith("optimiser."):
                _, number, key = name.split(".")
                state["state"][int(number)][key] = tensor
        self.model.load_state_dict({n.removeprefix("model."): t for n, t in tensors.items() if n.startswith("model.")})
        self.optimiser.load_state_dict({**state, "state": dict(state["state"])})
        self.scaler.load_state_dict(facts["scaler"])
        torch.set_rng_state(tensors["torch"])
        if self.tokens.is_cuda:
            torch.cuda.set_rng_state(tensors["cuda"])
        self.step = facts["step"]


# %% wrong trainer: dropout draws other numbers
class Trainer:
    def __init__(self, model: nn.Module, tokens: Int[Tensor, " N"], config: TrainingConfig) -> None:
        self.model, self.tokens, self.config = model, tokens, config
        self.optimiser = optimiser_of(model, config)
        self.generator = torch.Generator().manual_seed(config.seed)  # draws the batches
        self.scaler = LossScaler(enabled=config.precision == "float16")
        self.step = 0

    def run(self, until: int | None = None) -> Iterator[float]:
        self.model.train()
        while self.step < (self.config.steps if until is None else until):
            yield self._step()

    def _step(self) -> float:
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.step, self.config)
        sizes = self.config.batch, self.config.length
        batches = [windows(self.tokens, *sizes, self.generator) for _ in range(self.config.accumulate)]
        loss = accumulate(self.model, batches, self.scaler.scale, self.config.precision)
        self.scaler.unscale_(self.optimiser)
        nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.optimiser.zero_grad(set_to_none=True)
        self.step += 1
        return loss

    def save(self, path: Path) -> None:
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        state = self.optimiser.state_dict()["state"]
        tensors |= {f"optimiser.{i}.{name}": value for i, kept in state.items() for name, value in kept.items()}
        tensors |= {"generator": self.generator.get_state(), "torch": torch.get_rng_state()}
        if self.tokens.is_cuda:
            tensors["cuda"] = torch.cuda.get_rng_state()
        save(path, tensors, {"step": self.step, "config": asdict(self.config), "scaler": self.scaler.state_dict()})

    def resume(self, path: Path) -> None:
        tensors, facts = load(path)
        if facts["config"] != asdict(self.config):
            raise CheckpointError(f"{path} is of another run: {facts['config']}")
        state = self.optimiser.state_dict()
        state["state"] = defaultdict(dict)
        for name, tensor in tensors.items():
            if name.startswith("optimiser."):
                _, number, key = name.split(".")
                state["state"][int(number)][key] = tensor
        self.model.load_state_dict({n.removeprefix("model."): t for n, t in tensors.items() if n.startswith("model.")})
        self.optimiser.load_state_dict({**state, "state": dict(state["state"])})
        self.scaler.load_state_dict(facts["scaler"])
        self.generator.set_state(tensors["generator"])
        if self.tokens.is_cuda:
            torch.cuda.set_rng_state(tensors["cuda"])
        self.step = facts["step"]


# %% wrong trainer: the step begins at 0 again
class Trainer:
    def __init__(self, model: nn.Module, tokens: Int[Tensor, " N"], config: TrainingConfig) -> None:
        self.model, self.tokens, self.config = model, tokens, config
        self.optimiser = optimiser_of(model, config)
        self.generator = torch.Generator().manual_seed(config.seed)  # draws the batches
        self.scaler = LossScaler(enabled=config.precision == "float16")
        self.step = 0

    def run(self, until: int | None = None) -> Iterator[float]:
        self.model.train()
        while self.step < (self.config.steps if until is None else until):
            yield self._step()

    def _step(self) -> float:
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.step, self.config)
        sizes = self.config.batch, self.config.length
        batches = [windows(self.tokens, *sizes, self.generator) for _ in range(self.config.accumulate)]
        loss = accumulate(self.model, batches, self.scaler.scale, self.config.precision)
        self.scaler.unscale_(self.optimiser)
        nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.optimiser.zero_grad(set_to_none=True)
        self.step += 1
        return loss

    def save(self, path: Path) -> None:
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        state = self.optimiser.state_dict()["state"]
        tensors |= {f"optimiser.{i}.{name}": value for i, kept in state.items() for name, value in kept.items()}
        tensors |= {"generator": self.generator.get_state(), "torch": torch.get_rng_state()}
        if self.tokens.is_cuda:
            tensors["cuda"] = torch.cuda.get_rng_state()
        save(path, tensors, {"step": self.step, "config": asdict(self.config), "scaler": self.scaler.state_dict()})

    def resume(self, path: Path) -> None:
        tensors, facts = load(path)
        if facts["config"] != asdict(self.config):
            raise CheckpointError(f"{path} is of another run: {facts['config']}")
        state = self.optimiser.state_dict()
        state["state"] = defaultdict(dict)
        for name, tensor in tensors.items():
            if name.startswith("optimiser."):
                _, number, key = name.split(".")
                state["state"][int(number)][key] = tensor
        self.model.load_state_dict({n.removeprefix("model."): t for n, t in tensors.items() if n.startswith("model.")})
        self.optimiser.load_state_dict({**state, "state": dict(state["state"])})
        self.scaler.load_state_dict(facts["scaler"])
        self.generator.set_state(tensors["generator"])
        torch.set_rng_state(tensors["torch"])
        if self.tokens.is_cuda:
            torch.cuda.set_rng_state(tensors["cuda"])
        self.step = 0


# %% wrong trainer: the step is one too far
class Trainer:
    def __init__(self, model: nn.Module, tokens: Int[Tensor, " N"], config: TrainingConfig) -> None:
        self.model, self.tokens, self.config = model, tokens, config
        self.optimiser = optimiser_of(model, config)
        self.generator = torch.Generator().manual_seed(config.seed)  # draws the batches
        self.scaler = LossScaler(enabled=config.precision == "float16")
        self.step = 0

    def run(self, until: int | None = None) -> Iterator[float]:
        self.model.train()
        while self.step < (self.config.steps if until is None else until):
            yield self._step()

    def _step(self) -> float:
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.step, self.config)
        sizes = self.config.batch, self.config.length
        batches = [windows(self.tokens, *sizes, self.generator) for _ in range(self.config.accumulate)]
        loss = accumulate(self.model, batches, self.scaler.scale, self.config.precision)
        self.scaler.unscale_(self.optimiser)
        nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.optimiser.zero_grad(set_to_none=True)
        self.step += 1
        return loss

    def save(self, path: Path) -> None:
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        state = self.optimiser.state_dict()["state"]
        tensors |= {f"optimiser.{i}.{name}": value for i, kept in state.items() for name, value in kept.items()}
        tensors |= {"generator": self.generator.get_state(), "torch": torch.get_rng_state()}
        if self.tokens.is_cuda:
            tensors["cuda"] = torch.cuda.get_rng_state()
        save(path, tensors, {"step": self.step, "config": asdict(self.config), "scaler": self.scaler.state_dict()})

    def resume(self, path: Path) -> None:
        tensors, facts = load(path)
        if facts["config"] != asdict(self.config):
            raise CheckpointError(f"{path} is of another run: {facts['config']}")
        state = self.optimiser.state_dict()
        state["state"] = defaultdict(dict)
        for name, tensor in tensors.items():
            if name.startswith("optimiser."):
                _, number, key = name.split(".")
                state["state"][int(number)][key] = tensor
        self.model.load_state_dict({n.removeprefix("model."): t for n, t in tensors.items() if n.startswith("model.")})
        self.optimiser.load_state_dict({**state, "state": dict(state["state"])})
        self.scaler.load_state_dict(facts["scaler"])
        self.generator.set_state(tensors["generator"])
        torch.set_rng_state(tensors["torch"])
        if self.tokens.is_cuda:
            torch.cuda.set_rng_state(tensors["cuda"])
        self.step = facts["step"] + 1


# %% wrong trainer: the scaler begins again
class Trainer:
    def __init__(self, model: nn.Module, tokens: Int[Tensor, " N"], config: TrainingConfig) -> None:
        self.model, self.tokens, self.config = model, tokens, config
        self.optimiser = optimiser_of(model, config)
        self.generator = torch.Generator().manual_seed(config.seed)  # draws the batches
        self.scaler = LossScaler(enabled=config.precision == "float16")
        self.step = 0

    def run(self, until: int | None = None) -> Iterator[float]:
        self.model.train()
        while self.step < (self.config.steps if until is None else until):
            yield self._step()

    def _step(self) -> float:
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.step, self.config)
        sizes = self.config.batch, self.config.length
        batches = [windows(self.tokens, *sizes, self.generator) for _ in range(self.config.accumulate)]
        loss = accumulate(self.model, batches, self.scaler.scale, self.config.precision)
        self.scaler.unscale_(self.optimiser)
        nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.optimiser.zero_grad(set_to_none=True)
        self.step += 1
        return loss

    def save(self, path: Path) -> None:
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        state = self.optimiser.state_dict()["state"]
        tensors |= {f"optimiser.{i}.{name}": value for i, kept in state.items() for name, value in kept.items()}
        tensors |= {"generator": self.generator.get_state(), "torch": torch.get_rng_state()}
        if self.tokens.is_cuda:
            tensors["cuda"] = torch.cuda.get_rng_state()
        save(path, tensors, {"step": self.step, "config": asdict(self.config), "scaler": self.scaler.state_dict()})

    def resume(self, path: Path) -> None:
        tensors, facts = load(path)
        if facts["config"] != asdict(self.config):
            raise CheckpointError(f"{path} is of another run: {facts['config']}")
        state = self.optimiser.state_dict()
        state["state"] = defaultdict(dict)
        for name, tensor in tensors.items():
            if name.startswith("optimiser."):
                _, number, key = name.split(".")
                state["state"][int(number)][key] = tensor
        self.model.load_state_dict({n.removeprefix("model."): t for n, t in tensors.items() if n.startswith("model.")})
        self.optimiser.load_state_dict({**state, "state": dict(state["state"])})
        self.generator.set_state(tensors["generator"])
        torch.set_rng_state(tensors["torch"])
        if self.tokens.is_cuda:
            torch.cuda.set_rng_state(tensors["cuda"])
        self.step = facts["step"]


# %% wrong trainer: the second moment is saved in half precision
class Trainer:
    def __init__(self, model: nn.Module, tokens: Int[Tensor, " N"], config: TrainingConfig) -> None:
        self.model, self.tokens, self.config = model, tokens, config
        self.optimiser = optimiser_of(model, config)
        self.generator = torch.Generator().manual_seed(config.seed)  # draws the batches
        self.scaler = LossScaler(enabled=config.precision == "float16")
        self.step = 0

    def run(self, until: int | None = None) -> Iterator[float]:
        self.model.train()
        while self.step < (self.config.steps if until is None else until):
            yield self._step()

    def _step(self) -> float:
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.step, self.config)
        sizes = self.config.batch, self.config.length
        batches = [windows(self.tokens, *sizes, self.generator) for _ in range(self.config.accumulate)]
        loss = accumulate(self.model, batches, self.scaler.scale, self.config.precision)
        self.scaler.unscale_(self.optimiser)
        nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.optimiser.zero_grad(set_to_none=True)
        self.step += 1
        return loss

    def save(self, path: Path) -> None:
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        state = self.optimiser.state_dict()["state"]
        tensors |= {
            f"optimiser.{i}.{name}": value.bfloat16().float() if name == "exp_avg_sq" else value
            for i, kept in state.items()
            for name, value in kept.items()
        }
        tensors |= {"generator": self.generator.get_state(), "torch": torch.get_rng_state()}
        if self.tokens.is_cuda:
            tensors["cuda"] = torch.cuda.get_rng_state()
        save(path, tensors, {"step": self.step, "config": asdict(self.config), "scaler": self.scaler.state_dict()})

    def resume(self, path: Path) -> None:
        tensors, facts = load(path)
        if facts["config"] != asdict(self.config):
            raise CheckpointError(f"{path} is of another run: {facts['config']}")
        state = self.optimiser.state_dict()
        state["state"] = defaultdict(dict)
        for name, tensor in tensors.items():
            if name.startswith("optimiser."):
                _, number, key = name.split(".")
                state["state"][int(number)][key] = tensor
        self.model.load_state_dict({n.removeprefix("model."): t for n, t in tensors.items() if n.startswith("model.")})
        self.optimiser.load_state_dict({**state, "state": dict(state["state"])})
        self.scaler.load_state_dict(facts["scaler"])
        self.generator.set_state(tensors["generator"])
        torch.set_rng_state(tensors["torch"])
        if self.tokens.is_cuda:
            torch.cuda.set_rng_state(tensors["cuda"])
        self.step = facts["step"]


# %% wrong trainer: another configuration is not noticed
class Trainer:
    def __init__(self, model: nn.Module, tokens: Int[Tensor, " N"], config: TrainingConfig) -> None:
        self.model, self.tokens, self.config = model, tokens, config
        self.optimiser = optimiser_of(model, config)
        self.generator = torch.Generator().manual_seed(config.seed)  # draws the batches
        self.scaler = LossScaler(enabled=config.precision == "float16")
        self.step = 0

    def run(self, until: int | None = None) -> Iterator[float]:
        self.model.train()
        while self.step < (self.config.steps if until is None else until):
            yield self._step()

    def _step(self) -> float:
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.step, self.config)
        sizes = self.config.batch, self.config.length
        batches = [windows(self.tokens, *sizes, self.generator) for _ in range(self.config.accumulate)]
        loss = accumulate(self.model, batches, self.scaler.scale, self.config.precision)
        self.scaler.unscale_(self.optimiser)
        nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.optimiser.zero_grad(set_to_none=True)
        self.step += 1
        return loss

    def save(self, path: Path) -> None:
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        state = self.optimiser.state_dict()["state"]
        tensors |= {f"optimiser.{i}.{name}": value for i, kept in state.items() for name, value in kept.items()}
        tensors |= {"generator": self.generator.get_state(), "torch": torch.get_rng_state()}
        if self.tokens.is_cuda:
            tensors["cuda"] = torch.cuda.get_rng_state()
        save(path, tensors, {"step": self.step, "config": asdict(self.config), "scaler": self.scaler.state_dict()})

    def resume(self, path: Path) -> None:
        tensors, facts = load(path)
        state = self.optimiser.state_dict()
        state["state"] = defaultdict(dict)
        for name, tensor in tensors.items():
            if name.startswith("optimiser."):
                _, number, key = name.split(".")
                state["state"][int(number)][key] = tensor
        self.model.load_state_dict({n.removeprefix("model."): t for n, t in tensors.items() if n.startswith("model.")})
        self.optimiser.load_state_dict({**state, "state": dict(state["state"])})
        self.scaler.load_state_dict(facts["scaler"])
        self.generator.set_state(tensors["generator"])
        torch.set_rng_state(tensors["torch"])
        if self.tokens.is_cuda:
            torch.cuda.set_rng_state(tensors["cuda"])
        self.step = facts["step"]


# %% wrong trainer: only the rate is compared
class Trainer:
    def __init__(self, model: nn.Module, tokens: Int[Tensor, " N"], config: TrainingConfig) -> None:
        self.model, self.tokens, self.config = model, tokens, config
        self.optimiser = optimiser_of(model, config)
        self.generator = torch.Generator().manual_seed(config.seed)  # draws the batches
        self.scaler = LossScaler(enabled=config.precision == "float16")
        self.step = 0

    def run(self, until: int | None = None) -> Iterator[float]:
        self.model.train()
        while self.step < (self.config.steps if until is None else until):
            yield self._step()

    def _step(self) -> float:
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.step, self.config)
        sizes = self.config.batch, self.config.length
        batches = [windows(self.tokens, *sizes, self.generator) for _ in range(self.config.accumulate)]
        loss = accumulate(self.model, batches, self.scaler.scale, self.config.precision)
        self.scaler.unscale_(self.optimiser)
        nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.optimiser.zero_grad(set_to_none=True)
        self.step += 1
        return loss

    def save(self, path: Path) -> None:
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        state = self.optimiser.state_dict()["state"]
        tensors |= {f"optimiser.{i}.{name}": value for i, kept in state.items() for name, value in kept.items()}
        tensors |= {"generator": self.generator.get_state(), "torch": torch.get_rng_state()}
        if self.tokens.is_cuda:
            tensors["cuda"] = torch.cuda.get_rng_state()
        save(path, tensors, {"step": self.step, "config": asdict(self.config), "scaler": self.scaler.state_dict()})

    def resume(self, path: Path) -> None:
        tensors, facts = load(path)
        if facts["config"]["rate"] != self.config.rate:
            raise CheckpointError(f"{path} is of another run: {facts['config']}")
        state = self.optimiser.state_dict()
        state["state"] = defaultdict(dict)
        for name, tensor in tensors.items():
            if name.startswith("optimiser."):
                _, number, key = name.split(".")
                state["state"][int(number)][key] = tensor
        self.model.load_state_dict({n.removeprefix("model."): t for n, t in tensors.items() if n.startswith("model.")})
        self.optimiser.load_state_dict({**state, "state": dict(state["state"])})
        self.scaler.load_state_dict(facts["scaler"])
        self.generator.set_state(tensors["generator"])
        torch.set_rng_state(tensors["torch"])
        if self.tokens.is_cuda:
            torch.cuda.set_rng_state(tensors["cuda"])
        self.step = facts["step"]


# %% wrong trainer: another configuration is noticed after the parameters are overwritten
class Trainer:
    def __init__(self, model: nn.Module, tokens: Int[Tensor, " N"], config: TrainingConfig) -> None:
        self.model, self.tokens, self.config = model, tokens, config
        self.optimiser = optimiser_of(model, config)
        self.generator = torch.Generator().manual_seed(config.seed)  # draws the batches
        self.scaler = LossScaler(enabled=config.precision == "float16")
        self.step = 0

    def run(self, until: int | None = None) -> Iterator[float]:
        self.model.train()
        while self.step < (self.config.steps if until is None else until):
            yield self._step()

    def _step(self) -> float:
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.step, self.config)
        sizes = self.config.batch, self.config.length
        batches = [windows(self.tokens, *sizes, self.generator) for _ in range(self.config.accumulate)]
        loss = accumulate(self.model, batches, self.scaler.scale, self.config.precision)
        self.scaler.unscale_(self.optimiser)
        nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.optimiser.zero_grad(set_to_none=True)
        self.step += 1
        return loss

    def save(self, path: Path) -> None:
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        state = self.optimiser.state_dict()["state"]
        tensors |= {f"optimiser.{i}.{name}": value for i, kept in state.items() for name, value in kept.items()}
        tensors |= {"generator": self.generator.get_state(), "torch": torch.get_rng_state()}
        if self.tokens.is_cuda:
            tensors["cuda"] = torch.cuda.get_rng_state()
        save(path, tensors, {"step": self.step, "config": asdict(self.config), "scaler": self.scaler.state_dict()})

    def resume(self, path: Path) -> None:
        tensors, facts = load(path)
        state = self.optimiser.state_dict()
        state["state"] = defaultdict(dict)
        for name, tensor in tensors.items():
            if name.startswith("optimiser."):
                _, number, key = name.split(".")
                state["state"][int(number)][key] = tensor
        self.model.load_state_dict({n.removeprefix("model."): t for n, t in tensors.items() if n.startswith("model.")})
        self.optimiser.load_state_dict({**state, "state": dict(state["state"])})
        self.scaler.load_state_dict(facts["scaler"])
        self.generator.set_state(tensors["generator"])
        torch.set_rng_state(tensors["torch"])
        if self.tokens.is_cuda:
            torch.cuda.set_rng_state(tensors["cuda"])
        if facts["config"] != asdict(self.config):
            raise CheckpointError(f"{path} is of another run")
        self.step = facts["step"]


# %% wrong trainer: Adam's step counts begin again
class Trainer:
    def __init__(self, model: nn.Module, tokens: Int[Tensor, " N"], config: TrainingConfig) -> None:
        self.model, self.tokens, self.config = model, tokens, config
        self.optimiser = optimiser_of(model, config)
        self.generator = torch.Generator().manual_seed(config.seed)  # draws the batches
        self.scaler = LossScaler(enabled=config.precision == "float16")
        self.step = 0

    def run(self, until: int | None = None) -> Iterator[float]:
        self.model.train()
        while self.step < (self.config.steps if until is None else until):
            yield self._step()

    def _step(self) -> float:
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.step, self.config)
        sizes = self.config.batch, self.config.length
        batches = [windows(self.tokens, *sizes, self.generator) for _ in range(self.config.accumulate)]
        loss = accumulate(self.model, batches, self.scaler.scale, self.config.precision)
        self.scaler.unscale_(self.optimiser)
        nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.optimiser.zero_grad(set_to_none=True)
        self.step += 1
        return loss

    def save(self, path: Path) -> None:
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        state = self.optimiser.state_dict()["state"]
        tensors |= {f"optimiser.{i}.{name}": value for i, kept in state.items() for name, value in kept.items()}
        tensors |= {"generator": self.generator.get_state(), "torch": torch.get_rng_state()}
        if self.tokens.is_cuda:
            tensors["cuda"] = torch.cuda.get_rng_state()
        save(path, tensors, {"step": self.step, "config": asdict(self.config), "scaler": self.scaler.state_dict()})

    def resume(self, path: Path) -> None:
        tensors, facts = load(path)
        if facts["config"] != asdict(self.config):
            raise CheckpointError(f"{path} is of another run: {facts['config']}")
        state = self.optimiser.state_dict()
        state["state"] = defaultdict(dict)
        for name, tensor in tensors.items():
            if name.startswith("optimiser."):
                _, number, key = name.split(".")
                state["state"][int(number)][key] = tensor if key != "step" else torch.ones_like(tensor)
        self.model.load_state_dict({n.removeprefix("model."): t for n, t in tensors.items() if n.startswith("model.")})
        self.optimiser.load_state_dict({**state, "state": dict(state["state"])})
        self.scaler.load_state_dict(facts["scaler"])
        self.generator.set_state(tensors["generator"])
        torch.set_rng_state(tensors["torch"])
        if self.tokens.is_cuda:
            torch.cuda.set_rng_state(tensors["cuda"])
        self.step = facts["step"]


# %% wrong trainer: the error does not name the file
class Trainer:
    def __init__(self, model: nn.Module, tokens: Int[Tensor, " N"], config: TrainingConfig) -> None:
        self.model, self.tokens, self.config = model, tokens, config
        self.optimiser = optimiser_of(model, config)
        self.generator = torch.Generator().manual_seed(config.seed)  # draws the batches
        self.scaler = LossScaler(enabled=config.precision == "float16")
        self.step = 0

    def run(self, until: int | None = None) -> Iterator[float]:
        self.model.train()
        while self.step < (self.config.steps if until is None else until):
            yield self._step()

    def _step(self) -> float:
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.step, self.config)
        sizes = self.config.batch, self.config.length
        batches = [windows(self.tokens, *sizes, self.generator) for _ in range(self.config.accumulate)]
        loss = accumulate(self.model, batches, self.scaler.scale, self.config.precision)
        self.scaler.unscale_(self.optimiser)
        nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.optimiser.zero_grad(set_to_none=True)
        self.step += 1
        return loss

    def save(self, path: Path) -> None:
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        state = self.optimiser.state_dict()["state"]
        tensors |= {f"optimiser.{i}.{name}": value for i, kept in state.items() for name, value in kept.items()}
        tensors |= {"generator": self.generator.get_state(), "torch": torch.get_rng_state()}
        if self.tokens.is_cuda:
            tensors["cuda"] = torch.cuda.get_rng_state()
        save(path, tensors, {"step": self.step, "config": asdict(self.config), "scaler": self.scaler.state_dict()})

    def resume(self, path: Path) -> None:
        tensors, facts = load(path)
        if facts["config"] != asdict(self.config):
            raise CheckpointError("the file is of another run")
        state = self.optimiser.state_dict()
        state["state"] = defaultdict(dict)
        for name, tensor in tensors.items():
            if name.startswith("optimiser."):
                _, number, key = name.split(".")
                state["state"][int(number)][key] = tensor
        self.model.load_state_dict({n.removeprefix("model."): t for n, t in tensors.items() if n.startswith("model.")})
        self.optimiser.load_state_dict({**state, "state": dict(state["state"])})
        self.scaler.load_state_dict(facts["scaler"])
        self.generator.set_state(tensors["generator"])
        torch.set_rng_state(tensors["torch"])
        if self.tokens.is_cuda:
            torch.cuda.set_rng_state(tensors["cuda"])
        self.step = facts["step"]


# %% right trainer: learned tensors copied in place, Adam's state written by hand, the configuration as text
class Trainer:
    def __init__(self, model: nn.Module, tokens: Int[Tensor, " N"], config: TrainingConfig) -> None:
        self.model, self.tokens, self.config = model, tokens, config
        self.optimiser = optimiser_of(model, config)
        self.generator = torch.Generator().manual_seed(config.seed)  # draws the batches
        self.scaler = LossScaler(enabled=config.precision == "float16")
        self.step = 0

    def run(self, until: int | None = None) -> Iterator[float]:
        self.model.train()
        while self.step < (self.config.steps if until is None else until):
            yield self._step()

    def _step(self) -> float:
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.step, self.config)
        sizes = self.config.batch, self.config.length
        batches = [windows(self.tokens, *sizes, self.generator) for _ in range(self.config.accumulate)]
        loss = accumulate(self.model, batches, self.scaler.scale, self.config.precision)
        self.scaler.unscale_(self.optimiser)
        nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.optimiser.zero_grad(set_to_none=True)
        self.step += 1
        return loss

    def save(self, path: Path) -> None:
        kept = {"draws": self.generator.get_state(), "noise": torch.random.get_rng_state()}
        for name, parameter in self.model.named_parameters():
            kept["weight/" + name] = parameter
            for key, value in self.optimiser.state.get(parameter, {}).items():
                kept[f"{key}/{name}"] = value
        facts = {"at": self.step, "how": repr(self.config), "factor": self.scaler.factor, "good": self.scaler.good}
        save(path, kept, facts)

    def resume(self, path):
        kept, facts = load(path)
        if facts["how"] != repr(self.config):
            raise CheckpointError(f"{path}: {facts['how']}")
        with torch.no_grad():
            for name, parameter in self.model.named_parameters():
                parameter.copy_(kept.pop("weight/" + name))
                state = {}
                for key in ("step", "exp_avg", "exp_avg_sq"):
                    if f"{key}/{name}" in kept:
                        state[key] = kept[f"{key}/{name}"].clone()
                if state:
                    self.optimiser.state[parameter] = state
        self.step, self.scaler.factor, self.scaler.good = facts["at"], facts["factor"], facts["good"]
        self.generator.set_state(kept["draws"])
        torch.random.set_rng_state(kept["noise"])


# %% right trainer: whole state dictionaries as one tensor of bytes
class Trainer:
    def __init__(self, model: nn.Module, tokens: Int[Tensor, " N"], config: TrainingConfig) -> None:
        self.model, self.tokens, self.config = model, tokens, config
        self.optimiser = optimiser_of(model, config)
        self.generator = torch.Generator().manual_seed(config.seed)  # draws the batches
        self.scaler = LossScaler(enabled=config.precision == "float16")
        self.step = 0

    def run(self, until: int | None = None) -> Iterator[float]:
        self.model.train()
        while self.step < (self.config.steps if until is None else until):
            yield self._step()

    def _step(self) -> float:
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.step, self.config)
        sizes = self.config.batch, self.config.length
        batches = [windows(self.tokens, *sizes, self.generator) for _ in range(self.config.accumulate)]
        loss = accumulate(self.model, batches, self.scaler.scale, self.config.precision)
        self.scaler.unscale_(self.optimiser)
        nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.optimiser.zero_grad(set_to_none=True)
        self.step += 1
        return loss

    def save(self, path: Path) -> None:
        buffer = io.BytesIO()
        torch.save([self.model.state_dict(), self.optimiser.state_dict()], buffer)
        packed = torch.frombuffer(bytearray(buffer.getvalue()), dtype=torch.uint8)
        states = {"packed": packed, "a": self.generator.get_state(), "b": torch.get_rng_state()}
        facts = asdict(self.config) | {"now": self.step, "scaler": self.scaler.state_dict()}
        save(path, states, facts)

    def resume(self, path):
        states, facts = load(path)
        now, scaler = facts.pop("now"), facts.pop("scaler")
        if TrainingConfig(**facts) != self.config:
            raise CheckpointError(f"{path} belongs to another run")
        model, optimiser = torch.load(io.BytesIO(bytes(states["packed"].tolist())), weights_only=True)
        self.model.load_state_dict(model)
        self.optimiser.load_state_dict(optimiser)
        self.step = now
        self.scaler.load_state_dict(scaler)
        self.generator.set_state(states["a"])
        torch.set_rng_state(states["b"])


# %% wrong accumulate: the cross-entropy is computed in half precision
def accumulate(model, batches, scale=None, precision="float32"):
    count = sum(int((targets != -100).sum()) for _, targets in batches)
    total = 0.0
    for inputs, targets in batches:
        with autocast(inputs.device, precision):
            logits = model(inputs)
        loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum").float() / count
        (scale(loss) if scale else loss).backward()
        total += loss.item()
    return total


# %% wrong checkpoint_file: reads with a pickle that can run code
class CheckpointError(Exception):
    pass


def save(path, tensors, facts):
    buffer = io.BytesIO()
    torch.save({"tensors": tensors, "facts": facts}, buffer)
    content = buffer.getvalue()
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        try:
            file.write(hashlib.sha256(content).digest() + content)
            file.flush()
            os.replace(file.name, path)
        except BaseException:
            os.unlink(file.name)
            raise


def load(path):
    try:
        data = path.read_bytes()
        if hashlib.sha256(data[32:]).digest() != data[:32]:
            raise CheckpointError(f"{path} is damaged")
        kept = torch.load(io.BytesIO(data[32:]), weights_only=False)
    except OSError as error:
        raise CheckpointError(f"{path}: {error}") from error
    return kept["tensors"], kept["facts"]


# %% right evaluate: one long view, and bytes counted by how often each token comes
def evaluate(model, tokens, length, batch=32):
    count, was = (len(tokens) - 1) // length, model.training
    inputs = tokens[: count * length].reshape(count, length).split(batch)
    targets = tokens[1 : count * length + 1].reshape(count, length).split(batch)
    with torch.no_grad():
        model.eval()
        sums = [
            F.cross_entropy(model(x).flatten(0, 1), y.flatten(), reduction="sum").item()
            for x, y in zip(inputs, targets)
        ]
        model.train(was)
    return sum(sums) / (count * length)


def bits_per_byte(nats, tokens, sizes):
    total = (torch.bincount(tokens, minlength=len(sizes)) @ sizes).item()
    return nats / math.log(2) * len(tokens) / total


# %% right pairs: plain dictionaries, and an iterator that looks one token ahead
def count_pairs(words, times):
    counts = {}
    for word, count in zip(words, times):
        for pair in pairwise(word):
            counts[pair] = counts.get(pair, 0) + count
    return counts


def merge_pair(word, pair, new):
    made, rest = [], list(reversed(word))
    while rest:
        token = rest.pop()
        if token == pair[0] and rest and rest[-1] == pair[1]:
            rest.pop()
            token = new
        made.append(token)
    return made


# %% wrong loss_scaler: a scaler that is off still leaves out steps whose gradients are not finite
class LossScaler:
    def __init__(self, factor: float = 2.0**16, interval: int = 2_000, enabled: bool = True) -> None:
        self.factor, self.interval, self.enabled = factor, interval, enabled
        self.good = 0
        self.found_inf = False

    def scale(self, loss):
        return loss * self.factor if self.enabled else loss

    def unscale_(self, optimiser):
        grads = [p.grad for group in optimiser.param_groups for p in group["params"] if p.grad is not None]
        for grad in grads:
            grad.div_(self.factor if self.enabled else 1)
        self.found_inf = not all(torch.isfinite(grad).all() for grad in grads)

    def step(self, optimiser):
        if not self.found_inf:
            optimiser.step()

    def update(self):
        if not self.enabled:
            return
        self.good = 0 if self.found_inf else self.good + 1
        if self.found_inf:
            self.factor /= 2
        elif self.good == self.interval:
            self.factor, self.good = self.factor * 2, 0

    def state_dict(self):
        return {"factor": self.factor, "good": self.good}

    def load_state_dict(self, state):
        self.factor, self.good = state["factor"], state["good"]
