"""Bytes into a deflate stream, with the little that pays on filtered pixels: runs of one byte, and Huffman codes.

A block of the bytes at a time: runs become single tokens, the tokens are counted, the shorter codes go to the more
frequent ones, and the codes are written. zlib does the same when it is told to look for runs alone (Z_RLE), and takes
three times as long. Integers throughout: the same bytes give the same stream on every machine.

Source: RFC 1951. A run's length of 3 to 258 is written as one of the symbols 257 to 285, and up to five bits more.
"""

import numpy as np
import numpy.typing as npt
from numba import njit

Bytes = npt.NDArray[np.uint8]
Tokens = npt.NDArray[np.uint16]
"""A byte as itself, the end of a block as _END, n more of the byte before as _RUN + n - 3."""
Counts = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]
"""What is written for each token: up to 21 bits, the first one lowest, above six that tell how many."""

BLOCK = 1 << 18
"""Bytes that share their codes: a square of 256 pixels. With 64 KiB pictures come out a thousandth smaller."""
_END, _RUN, _NUM_TOKENS = 256, 257, 513
_SHORTEST, _LEAST, _LONGEST = 3, 4, 258
"""Of runs: the shortest that can be written, the shortest that is (three bytes are written as short by themselves)."""
_LONGEST_CODE = 15
_MOST_HEAD = 256
"""Bytes that a block may need besides its tokens': some 150 for its codes, and room to write eight at once."""


def deflate(data: Bytes) -> bytes:
    """Bytes, uint8 (n,) with n > 0, as a deflate stream."""
    starts = range(0, len(data), BLOCK)
    out = np.empty(2 * len(data) + len(starts) * _MOST_HEAD, np.uint8)  # no code is longer than two bytes
    place, num_held, held = 0, 0, 0
    for start in starts:
        tokens = _tokens(data[start : start + BLOCK])
        lengths = _code_lengths(np.add.reduceat(_count(tokens), _FIRST_TOKENS))
        head = _head(lengths, is_last=start == starts[-1])
        for some, words in ((np.arange(len(head), dtype=np.uint16), head), (tokens, _words(lengths))):
            place, num_held, held = _write(out, place, num_held, held, some, words)
    return out[: place + (num_held > 0)].tobytes()


@njit(cache=True)
def _tokens(block: Bytes) -> Tokens:
    num_bytes = len(block)
    tokens, repeats = np.empty(num_bytes + 1, np.uint16), np.zeros(num_bytes, np.uint8)
    second, third, fourth, fifth, out = block[1:], block[2:], block[3:], block[4:], repeats[1:]
    # First, many at once: where four or more are like the one before. To ask at each byte takes twice as long.
    for at in range(num_bytes - _LEAST):
        one = second[at]
        out[at] = (block[at] == one) & (third[at] == one) & (fourth[at] == one) & (fifth[at] == one)
    num, at = 0, 0
    while at < num_bytes:
        byte, length = block[at], 1
        if repeats[at]:
            length, most = _LEAST, min(_LONGEST, num_bytes - at)
            while length < most and block[at + length] == byte:
                length += 1
            tokens[num] = _RUN + length - _SHORTEST
        else:
            tokens[num] = byte
        num, at = num + 1, at + length
    tokens[num] = _END
    return tokens[: num + 1]


@njit(cache=True)
def _count(tokens: Tokens) -> Counts:
    """How often each of all tokens comes. In two halves: to add to the same number twice in a row is to wait for it."""
    counts = np.zeros((2, _NUM_TOKENS), np.int64)
    for place in range(len(tokens)):
        counts[place & 1, tokens[place]] += 1
    return counts[0] + counts[1]


def _code_lengths(counts: Counts) -> Counts:
    """The lengths in bits of Huffman codes for symbols that come so often, 15 at most; 0 for those that never come.

    Two or more must come. Counts that would make a code too long are made more alike, which costs next to nothing.
    """
    used = np.flatnonzero(counts)
    order = used[np.argsort(counts[used], kind="stable")]
    often = counts[order]
    while (depths := _depths(often)).max() > _LONGEST_CODE:
        often = (often + 1) // 2  # which leaves them in order
    lengths = np.zeros_like(counts)
    lengths[order] = depths
    return lengths


@njit(cache=True)
def _depths(weights: Counts) -> Counts:
    """How deep each of two or more weights, the lightest first, lies in the tree that pairs the two lightest again and
    again."""
    num = len(weights)
    pairs, parents, depths = np.zeros(num, np.int64), np.zeros(2 * num, np.int64), np.zeros(2 * num, np.int64)
    single, pair = 0, 0  # the lightest of the weights and of the pairs that have no parent yet
    for parent in range(num - 1):
        for _ in range(2):
            if single < num and (pair == parent or weights[single] <= pairs[pair]):
                pairs[parent] += weights[single]
                parents[single] = parent
                single += 1
            else:
                pairs[parent] += pairs[pair]
                parents[num + pair] = parent
                pair += 1
    for node in range(2 * num - 3, -1, -1):
        depths[node] = depths[num + parents[node]] + 1
    return depths[:num]


def _words(lengths: Counts) -> Words:
    """What is written for each token, by the lengths of the symbols' codes."""
    # Shorter codes come first, then smaller symbols: read as a binary fraction, each begins where the one before ends.
    order = np.argsort(lengths, kind="stable")
    order = order[lengths[order] > 0]
    shares = 1 << _LONGEST_CODE - lengths[order]
    codes = np.zeros_like(lengths)
    codes[order] = _TURNED[np.cumsum(shares) - shares]
    length = lengths[_SYMBOLS]
    bits = codes[_SYMBOLS] | _MORE << length
    # After a run's length comes its distance, which always is one byte: a code of one bit, zero.
    return (bits << 6 | length + _NUM_MORE + (np.arange(_NUM_TOKENS) >= _RUN)).astype(np.uint64)


def _head(lengths: Counts, *, is_last: bool) -> Words:
    """What begins a block: whether it is the last one, and the lengths of its codes.

    Those lengths are written in codes themselves. Here each has four bits: shorter ones would save 100 bytes or so.
    """
    told = lengths[: max(_RUN, 1 + int(np.flatnonzero(lengths)[-1]))]
    first = [
        (is_last, 1),
        (2, 2),
        (len(told) - _RUN, 5),
        (0, 5),
        (15, 4),
    ]  # 2: codes of its own; 0: one distance; 15: 19
    first += [(0, 3)] * 3 + [(4, 3)] * 16  # no codes for the three ways to repeat, four bits for each length
    each = _TURNED[np.append(told, 1) << _LONGEST_CODE - 4]  # the last one is the distance's
    return np.append([value << 6 | num_bits for value, num_bits in first], each << 6 | 4).astype(np.uint64)


@njit(cache=True)
def _write(out: Bytes, place: int, num_held: int, held: int, tokens: Tokens, words: Words) -> tuple[int, int, int]:
    """Write tokens' words, after fewer than 8 bits that were held back; where it goes on, and what is held back then.

    Two at a time, and eight bytes at once, of which the last are written again: no branch, so none is foreseen wrongly.
    Numbers without a sign, as a negative place would be looked for from the end.
    """
    at, num, bits = np.uint64(place), np.uint64(num_held), np.uint64(held)
    six, low = np.uint64(6), np.uint64(63)
    for index in range(0, len(tokens), 2):
        word = words[tokens[index]]
        bits |= (word >> six) << num
        num += word & low
        if index + 1 < len(tokens):
            word = words[tokens[index + 1]]
            bits |= (word >> six) << num
            num += word & low
        for byte in range(8):
            out[at + np.uint64(byte)] = np.uint8(bits >> np.uint64(8 * byte))
        at += num >> np.uint64(3)
        bits >>= num & np.uint64(0x78)
        num &= np.uint64(7)
    return int(at), int(num), int(bits)


def _meanings() -> tuple[Counts, Counts, Counts]:
    """Of each token its symbol, and how many bits follow with what value."""
    longer = np.arange(_LONGEST - _SHORTEST)
    num_more = np.maximum(0, np.frexp(longer)[1] - 3)
    runs = 257 + 4 * num_more + (longer >> num_more), num_more, longer & (1 << num_more) - 1
    single = np.arange(_RUN), np.zeros(_RUN, np.int64), np.zeros(_RUN, np.int64)
    longest = 285, 0, 0  # it has a symbol of its own
    symbols, num_more, more = (
        np.concatenate([*parts[:2], [parts[2]]]) for parts in zip(single, runs, longest, strict=True)
    )
    return symbols, num_more, more


_SYMBOLS, _NUM_MORE, _MORE = _meanings()
_FIRST_TOKENS = np.searchsorted(_SYMBOLS, np.arange(286))
_TURNED = np.sum(
    [(np.arange(1 << _LONGEST_CODE) >> bit & 1) << _LONGEST_CODE - 1 - bit for bit in range(_LONGEST_CODE)], 0
)
"""Numbers of 15 bits with the highest lowest: Huffman codes are written so, all else the other way round."""
