"""Deflate streams of ours, as zlib reads them."""

import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cartoon_dist.image import deflate
from cartoon_dist.image.deflate import BLOCK


def inflated(packed: bytes) -> bytes:
    reader = zlib.decompressobj(wbits=-15)
    data = reader.decompress(packed) + reader.flush()
    assert reader.eof, "the last block says that it is the last"
    assert reader.unused_data == b"", "not a byte too many"
    return data


def packed(data: bytes) -> bytes:
    stream = deflate.deflate(np.frombuffer(data, np.uint8))
    assert inflated(stream) == data
    return stream


def test_each_byte_alone() -> None:
    for byte in range(256):
        packed(bytes([byte]))


def test_runs_of_each_length() -> None:
    # From none to more than two of the longest (258), between others and at both ends.
    for length in range(1, 600):
        packed(b"a" * length)
        packed(b"b" + b"a" * length + b"c" + b"\0" * length)


@settings(max_examples=300, deadline=None)
@given(runs=st.lists(st.tuples(st.integers(0, 255), st.integers(1, 300)), min_size=1, max_size=60))
def test_any_bytes(runs: list[tuple[int, int]]) -> None:
    packed(b"".join(bytes([byte]) * length for byte, length in runs))


@pytest.mark.parametrize("num_bytes", [BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 2 * BLOCK + 7])
@pytest.mark.parametrize("num_values", [1, 2, 256])
def test_where_one_block_ends_and_the_next_begins(num_bytes: int, num_values: int) -> None:
    packed(np.random.default_rng(2).integers(0, num_values, num_bytes, np.uint8).tobytes())


def test_noise_grows_by_less_than_a_hundredth() -> None:
    data = np.random.default_rng(3).integers(0, 256, 100_000, np.uint8).tobytes()
    assert len(packed(data)) < 1.01 * len(data)


def test_a_flat_picture_takes_next_to_nothing() -> None:
    assert len(packed(bytes(200_000))) < 400  # 776 runs of 258 bytes, two bits each, and the head


def test_counts_that_would_make_a_code_of_more_than_fifteen_bits() -> None:
    # Fibonacci's numbers make Huffman's tree as deep as it can be: 22 symbols, the rarest 21 bits.
    often = [1, 1]
    while len(often) < 22:
        often.append(often[-1] + often[-2])
    data = np.repeat(np.arange(22, dtype=np.uint8), often)
    shuffled = np.random.default_rng(4).permutation(data).tobytes()
    most = zlib.compressobj(9, wbits=-15, strategy=zlib.Z_HUFFMAN_ONLY)
    theirs = most.compress(shuffled) + most.flush()
    assert len(packed(shuffled)) < 1.01 * len(theirs)


def test_codes_are_as_short_as_huffmans() -> None:
    # By hand: of 8 a, 4 b, 2 c, 1 d, 1 end the lengths are 1, 2, 3, 4, 4. In the head 257 lengths and a distance's.
    data = b"abacabadabacabab"[:15]
    assert sorted(data).count(ord("d")) == 1
    bits = 8 * 1 + 4 * 2 + 2 * 3 + 1 * 4 + 4
    head = 1 + 2 + 5 + 5 + 4 + 19 * 3 + 257 * 4 + 4
    assert len(packed(data)) == -(-(head + bits) // 8)
