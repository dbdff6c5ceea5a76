"""Deflate encoder for filtered pixels: runs of one byte and Huffman codes, the two parts of deflate that pay there.

Block by block: runs become single tokens, the tokens are counted, frequent ones get shorter codes, and the codes are
written. zlib does the same with Z_RLE and takes three times as long. Integers throughout: the same bytes give the same
stream on every machine.

Source: RFC 1951. A run's length of 3 to 258 is written as one of the symbols 257 to 285 and up to five extra bits.
"""

import numpy as np
import numpy.typing as npt
from numba import njit

Bytes = npt.NDArray[np.uint8]
Tokens = npt.NDArray[np.uint16]
"""A byte as its value, the end of a block as _END_OF_BLOCK, n repeats of the last byte as _FIRST_RUN + n - 3."""
Counts = npt.NDArray[np.int64]
CodeWords = npt.NDArray[np.uint64]
"""The bits to write for each token: up to 21, the first one lowest, above six bits with their number."""

BLOCK_BYTES = 1 << 18
"""Bytes that share one set of codes: a square of 256 pixels. 64 KiB would make pictures a thousandth smaller."""
_END_OF_BLOCK, _FIRST_RUN, _NUM_TOKENS = 256, 257, 513
_MIN_RUN, _MIN_RUN_USED, _MAX_RUN = 3, 4, 258
"""Lengths of runs: deflate's minimum, the minimum used here (three single bytes are as short), and the maximum."""
_MAX_CODE_BITS = 15
_MAX_HEADER_BYTES = 256
"""Room that a block may need besides its tokens: some 150 bytes for its codes, and space to write eight at once."""


def deflate(data: Bytes) -> bytes:
    """Compress bytes, uint8 (n,) with n > 0, to a raw deflate stream."""
    starts = range(0, len(data), BLOCK_BYTES)
    out = np.empty(2 * len(data) + len(starts) * _MAX_HEADER_BYTES, np.uint8)  # no code is longer than two bytes
    position, num_pending, pending = 0, 0, 0
    for start in starts:
        tokens = _run_tokens(data[start : start + BLOCK_BYTES])
        lengths = _code_lengths(np.add.reduceat(_count_tokens(tokens), _FIRST_TOKEN_OF_SYMBOL))
        header = _block_header(lengths, is_last=start == starts[-1])
        header_tokens = np.arange(len(header), dtype=np.uint16)
        for indices, words in ((header_tokens, header), (tokens, _code_words(lengths))):
            position, num_pending, pending = _write_bits(out, position, num_pending, pending, indices, words)
    return out[: position + (num_pending > 0)].tobytes()


@njit(cache=True)
def _run_tokens(block: Bytes) -> Tokens:
    num_bytes = len(block)
    tokens, repeats = np.empty(num_bytes + 1, np.uint16), np.zeros(num_bytes, np.uint8)
    second, third, fourth, fifth, out = block[1:], block[2:], block[3:], block[4:], repeats[1:]
    # A vectorised first pass marks where four or more bytes repeat the one before; a test per byte takes twice as long.
    for at in range(num_bytes - _MIN_RUN_USED):
        one = second[at]
        out[at] = (block[at] == one) & (third[at] == one) & (fourth[at] == one) & (fifth[at] == one)
    num_tokens, position = 0, 0
    while position < num_bytes:
        byte, length = block[position], 1
        if repeats[position]:
            length, max_length = _MIN_RUN_USED, min(_MAX_RUN, num_bytes - position)
            while length < max_length and block[position + length] == byte:
                length += 1
            tokens[num_tokens] = _FIRST_RUN + length - _MIN_RUN
        else:
            tokens[num_tokens] = byte
        num_tokens, position = num_tokens + 1, position + length
    tokens[num_tokens] = _END_OF_BLOCK
    return tokens[: num_tokens + 1]


@njit(cache=True)
def _count_tokens(tokens: Tokens) -> Counts:
    """Histogram of the tokens. Two histograms in turn, as two additions in a row to one number wait for each other."""
    counts = np.zeros((2, _NUM_TOKENS), np.int64)
    for index in range(len(tokens)):
        counts[index & 1, tokens[index]] += 1
    return counts[0] + counts[1]


def _code_lengths(counts: Counts) -> Counts:
    """Lengths in bits of the symbols' Huffman codes by their counts, 15 at most; 0 for symbols that do not occur.

    Two or more must occur. Counts that would make a code too long are halved until they do not, at almost no cost.
    """
    used = np.flatnonzero(counts)
    order = used[np.argsort(counts[used], kind="stable")]
    weights = counts[order]
    while (depths := _tree_depths(weights)).max() > _MAX_CODE_BITS:
        weights = (weights + 1) // 2  # they stay sorted
    lengths = np.zeros_like(counts)
    lengths[order] = depths
    return lengths


@njit(cache=True)
def _tree_depths(weights: Counts) -> Counts:
    """Depth of each of two or more leaves in the Huffman tree; weights in ascending order."""
    num_leaves = len(weights)
    pairs, parents = np.zeros(num_leaves, np.int64), np.zeros(2 * num_leaves, np.int64)
    depths = np.zeros(2 * num_leaves, np.int64)
    single, pair = 0, 0  # the lightest leaf and the lightest pair without a parent
    for parent in range(num_leaves - 1):
        for _ in range(2):
            if single < num_leaves and (pair == parent or weights[single] <= pairs[pair]):
                pairs[parent] += weights[single]
                parents[single] = parent
                single += 1
            else:
                pairs[parent] += pairs[pair]
                parents[num_leaves + pair] = parent
                pair += 1
    for node in range(2 * num_leaves - 3, -1, -1):
        depths[node] = depths[num_leaves + parents[node]] + 1
    return depths[:num_leaves]


def _code_words(lengths: Counts) -> CodeWords:
    """The bits to write for each token, by the lengths of the symbols' codes."""
    # Canonical Huffman codes, sorted by length, then symbol: as binary fractions, each starts where the last one ends.
    order = np.argsort(lengths, kind="stable")
    order = order[lengths[order] > 0]
    shares = 1 << _MAX_CODE_BITS - lengths[order]
    codes = np.zeros_like(lengths)
    codes[order] = _BIT_REVERSED[np.cumsum(shares) - shares]
    length = lengths[_SYMBOLS]
    bits = codes[_SYMBOLS] | _EXTRA_BITS << length
    # After a run's length comes its distance, always one byte: a code of one bit, zero.
    return (bits << 6 | length + _NUM_EXTRA_BITS + (np.arange(_NUM_TOKENS) >= _FIRST_RUN)).astype(np.uint64)


def _block_header(lengths: Counts, *, is_last: bool) -> CodeWords:
    """The header of a block: whether it is the last one, and the lengths of its codes.

    Those lengths are Huffman-coded themselves. Here each has four bits: shorter ones would save some 100 bytes.
    """
    sent_lengths = lengths[: max(_FIRST_RUN, 1 + int(np.flatnonzero(lengths)[-1]))]
    fields = [  # value, number of bits
        (is_last, 1),
        (2, 2),  # dynamic Huffman codes
        (len(sent_lengths) - _FIRST_RUN, 5),
        (0, 5),  # one distance code
        (15, 4),  # 19 code length codes
    ]
    fields += [(0, 3)] * 3 + [(4, 3)] * 16  # no codes for the three kinds of repeat, four bits for each length
    length_codes = _BIT_REVERSED[np.append(sent_lengths, 1) << _MAX_CODE_BITS - 4]  # the last one is the distance's
    return np.append([value << 6 | num_bits for value, num_bits in fields], length_codes << 6 | 4).astype(np.uint64)


@njit(cache=True)
def _write_bits(
    out: Bytes, position: int, num_pending: int, pending: int, tokens: Tokens, words: CodeWords
) -> tuple[int, int, int]:
    """Write the tokens' words after the pending bits (fewer than 8); the new position, num_pending and pending.

    Two tokens at a time, and eight bytes at once, of which the next write overwrites the last ones: no branch that the
    processor could predict wrongly. Unsigned, as a negative index would count from the end.
    """
    at, num, bits = np.uint64(position), np.uint64(num_pending), np.uint64(pending)
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


def _token_symbols() -> tuple[Counts, Counts, Counts]:
    """For each token: its symbol, the number of its extra bits, and their value."""
    length = np.arange(_MAX_RUN - _MIN_RUN)  # above the minimum
    num_extra = np.maximum(0, np.frexp(length)[1] - 3)
    runs = 257 + 4 * num_extra + (length >> num_extra), num_extra, length & (1 << num_extra) - 1
    single = np.arange(_FIRST_RUN), np.zeros(_FIRST_RUN, np.int64), np.zeros(_FIRST_RUN, np.int64)
    longest = 285, 0, 0  # it has a symbol of its own
    symbols, num_extra, extra = (
        np.concatenate([*parts[:2], [parts[2]]]) for parts in zip(single, runs, longest, strict=True)
    )
    return symbols, num_extra, extra


_SYMBOLS, _NUM_EXTRA_BITS, _EXTRA_BITS = _token_symbols()
_FIRST_TOKEN_OF_SYMBOL = np.searchsorted(_SYMBOLS, np.arange(286))
_BIT_REVERSED = np.sum(
    [(np.arange(1 << _MAX_CODE_BITS) >> bit & 1) << _MAX_CODE_BITS - 1 - bit for bit in range(_MAX_CODE_BITS)], 0
)
"""Numbers of 15 bits in reversed bit order: deflate writes Huffman codes highest bit first, all else lowest first."""
