"""Our deflate streams, read by zlib."""

import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cartoon_dist.image import deflate
from cartoon_dist.image.deflate import BLOCK_BYTES


def decompressed(stream: bytes) -> bytes:
    reader = zlib.decompressobj(wbits=-15)
    data = reader.decompress(stream) + reader.flush()
    assert reader.eof, "the last block is marked as the last"
    assert reader.unused_data == b"", "no bytes after the end"
    return data


def compressed(data: bytes) -> bytes:
    stream = deflate.deflate(np.frombuffer(data, np.uint8))
    assert decompressed(stream) == data
    return stream


def test_every_single_byte() -> None:
    for byte in range(256):
        compressed(bytes([byte]))


def test_runs_of_every_length() -> None:
    # Up to more than two of the longest (258), alone and between other bytes.
    for length in range(1, 600):
        compressed(b"a" * length)
        compressed(b"b" + b"a" * length + b"c" + b"\0" * length)


@settings(max_examples=300, deadline=None)
@given(runs=st.lists(st.tuples(st.integers(0, 255), st.integers(1, 300)), min_size=1, max_size=60))
def test_any_bytes(runs: list[tuple[int, int]]) -> None:
    compressed(b"".join(bytes([byte]) * length for byte, length in runs))


@pytest.mark.parametrize(
    "num_bytes", [BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 2 * BLOCK_BYTES, 2 * BLOCK_BYTES + 7]
)
@pytest.mark.parametrize("num_values", [1, 2, 256])
def test_block_boundaries(num_bytes: int, num_values: int) -> None:
    compressed(np.random.default_rng(2).integers(0, num_values, num_bytes, np.uint8).tobytes())


def test_noise_grows_by_less_than_one_percent() -> None:
    data = np.random.default_rng(3).integers(0, 256, 100_000, np.uint8).tobytes()
    assert len(compressed(data)) < 1.01 * len(data)


def test_a_flat_picture_compresses_to_almost_nothing() -> None:
    assert len(compressed(bytes(200_000))) < 400  # 776 runs of 258 bytes, two bits each, and the head


def test_codes_are_limited_to_fifteen_bits() -> None:
    # Fibonacci's numbers make Huffman's tree as deep as it can be: 22 symbols, the rarest 21 bits.
    counts = [1, 1]
    while len(counts) < 22:
        counts.append(counts[-1] + counts[-2])
    data = np.repeat(np.arange(22, dtype=np.uint8), counts)
    shuffled = np.random.default_rng(4).permutation(data).tobytes()
    compressor = zlib.compressobj(9, wbits=-15, strategy=zlib.Z_HUFFMAN_ONLY)
    zlibs = compressor.compress(shuffled) + compressor.flush()
    assert len(compressed(shuffled)) < 1.01 * len(zlibs)


def test_the_size_is_that_of_huffmans_codes() -> None:
    # By hand: 8 a, 4 b, 2 c, 1 d, 1 end have lengths 1, 2, 3, 4, 4. The header has 257 lengths and one of a distance.
    data = b"abacabadabacabab"[:15]
    assert sorted(data).count(ord("d")) == 1
    bits = 8 * 1 + 4 * 2 + 2 * 3 + 1 * 4 + 4
    header = 1 + 2 + 5 + 5 + 4 + 19 * 3 + 257 * 4 + 4
    assert len(compressed(data)) == -(-(header + bits) // 8)
