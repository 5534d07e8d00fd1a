"""Byte-pair encoding, as week 8 builds it: a vocabulary learned from text, and text as tokens of it and back.

Gage, A New Algorithm for Data Compression (1994); Sennrich et al., Neural Machine Translation of Rare Words with
Subword Units (2016); on bytes, as in GPT-2 (Radford et al., 2019).
"""

from __future__ import annotations

import base64
import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import regex

TAUGHT_IN = 8

# GPT-2's: contractions, letters, digits, other marks, each with a space before; and white space.
PATTERN = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""

Pair = tuple[int, int]


class BytePairEncoding:
    """A vocabulary of byte strings: token i stands for ``tokens[i]``, and lower numbers are merged first.

    Args:
        tokens: V byte strings, all different, the 256 single bytes among them.
        pattern: cuts text into pieces that no token crosses; a regular expression that matches every character.

    Raises:
        ValueError: a byte has no token, or two tokens are the same.
    """

    def __init__(self, tokens: Iterable[bytes], pattern: str = PATTERN) -> None:
        self.tokens = list(tokens)
        self.ranks = {token: rank for rank, token in enumerate(self.tokens)}
        if missing := [byte for byte in range(256) if bytes([byte]) not in self.ranks]:
            raise ValueError(f"no token for the bytes {missing[:5]}: some texts could not be encoded")
        if len(self.ranks) < len(self.tokens):
            raise ValueError(f"{len(self.tokens) - len(self.ranks)} tokens occur twice")
        self.pattern = regex.compile(pattern)
        self._encode_piece = lru_cache(maxsize=2**16)(self._merge)

    def __len__(self) -> int:
        return len(self.tokens)

    @classmethod
    def train(cls, text: str, vocabulary: int, pattern: str = PATTERN) -> BytePairEncoding:
        """Learn a vocabulary.

        Args:
            text: what to learn from.
            vocabulary: V, at least 256. There are fewer tokens where nothing is left to merge, or where two merges gave
                the same bytes.
            pattern: see :class:`BytePairEncoding`.
        """
        tokens = [bytes([byte]) for byte in range(256)]
        for left, right in _merges(Counter(regex.findall(pattern, text)), vocabulary):
            tokens.append(tokens[left] + tokens[right])
        return cls(dict.fromkeys(tokens), pattern)

    def encode(self, text: str) -> list[int]:
        """Text as tokens."""
        return [token for piece in self.pattern.findall(text) for token in self._encode_piece(piece)]

    def decode(self, numbers: Iterable[int]) -> str:
        """Tokens as text; bytes that are no UTF-8, such as half a character, become a replacement character."""
        return self.decode_bytes(numbers).decode("utf-8", errors="replace")

    def decode_bytes(self, numbers: Iterable[int]) -> bytes:
        """Tokens as bytes."""
        return b"".join(self.tokens[number] for number in numbers)

    def _merge(self, piece: str) -> tuple[int, ...]:
        """A piece of text as tokens: of all neighbours, those with the lowest rank are joined first."""
        data = piece.encode("utf-8")
        if data in self.ranks:
            return (self.ranks[data],)
        parts = [bytes([byte]) for byte in data]
        while len(parts) > 1:
            ranks = [self.ranks.get(left + right, len(self)) for left, right in pairwise(parts)]
            if (lowest := min(ranks)) == len(self):
                break
            at = ranks.index(lowest)
            parts[at : at + 2] = [parts[at] + parts[at + 1]]
        return tuple(self.ranks[part] for part in parts)

    def save(self, path: Path) -> None:
        """Write the vocabulary in tiktoken's format, a token a line: base64, a space, its rank."""
        lines = (f"{base64.b64encode(token).decode()} {rank}\n" for rank, token in enumerate(self.tokens))
        path.write_text("".join(lines), encoding="ascii")

    @classmethod
    def load(cls, path: Path, pattern: str = PATTERN) -> BytePairEncoding:
        """Read a vocabulary that :meth:`save` or tiktoken wrote.

        Raises:
            ValueError: the file is not in that format; it is named.
        """
        try:
            ranks = dict(line.split() for line in path.read_text(encoding="ascii").splitlines())
            tokens = [base64.b64decode(token, validate=True) for token in sorted(ranks, key=lambda t: int(ranks[t]))]
            return cls(tokens, pattern)
        except ValueError as error:
            raise ValueError(f"{path} holds no vocabulary: {error}") from error


def _merges(pieces: Counter[str], vocabulary: int) -> Iterable[Pair]:
    """The pairs to merge, most frequent first; of equally frequent ones the greater pair of numbers.

    Merging changes the counts of a few pairs only, so they are kept up to date instead of counted again.
    """
    words = [list(piece.encode("utf-8")) for piece in pieces]
    times = list(pieces.values())
    counts, where = Counter(), defaultdict(set)
    for index, word in enumerate(words):
        _count(word, times[index], index, counts, where)
    heap = [(-count, -left, -right) for (left, right), count in counts.items()]
    heapq.heapify(heap)
    new = 256
    while heap and new < vocabulary:
        count, left, right = (-number for number in heapq.heappop(heap))
        if counts[left, right] != count or not count:
            continue  # out of date: the count has changed since
        yield left, right
        changed = set()
        for index in where.pop((left, right)):
            changed |= _count(words[index], -times[index], index, counts, where)
            words[index] = _joined(words[index], (left, right), new)
            changed |= _count(words[index], times[index], index, counts, where)
        for pair in changed:
            heapq.heappush(heap, (-counts[pair], -pair[0], -pair[1]))
        new += 1


def _count(word: list[int], times: int, index: int, counts: Counter[Pair], where: dict[Pair, set[int]]) -> set[Pair]:
    """Add a word's pairs to the counts, so many times, and note that they are in it."""
    pairs = list(pairwise(word))
    for pair in pairs:
        counts[pair] += times
        where[pair].add(index)
    return set(pairs)


def _joined(word: list[int], pair: Pair, new: int) -> list[int]:
    """A word in which every occurrence of a pair, from the left, is one token."""
    joined, at = [], 0
    while at < len(word):
        if tuple(word[at : at + 2]) == pair:
            joined.append(new)
            at += 2
        else:
            joined.append(word[at])
            at += 1
    return joined
