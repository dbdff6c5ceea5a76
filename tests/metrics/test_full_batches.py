"""What scoring does on a GPU alone, its parts on the CPU: blocks filled up, drawings recorded."""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from cartoon_dist.errors import CartoonError
from cartoon_dist.gpu.graphs import TracingRecorder
from cartoon_dist.metrics.features import Extractor, _extract, extract_features
from cartoon_dist.metrics.generated import generated_pictures
from cartoon_dist.tensors import Bytes
from tests.inference.test_batched import CPU, generator


def pictures(num: int) -> Bytes:
    return torch.randint(0, 256, (num, 3, 16, 16), generator=torch.Generator().manual_seed(num), dtype=torch.uint8)


class Means:
    """A network that gives each picture's mean of each colour, and knows what batches it saw."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.extractor = Extractor(
            kind="inception", layer="64", weights_sha256="", resize="none", device=CPU, extract=self._extract
        )

    def _extract(self, seen: Bytes) -> Tensor:
        self.sizes.append(len(seen))
        return seen.double().mean((2, 3))


def test_a_block_that_is_filled_up_has_the_vectors_of_its_own_pictures() -> None:
    means, seen = Means(), pictures(3)
    vectors = _extract(means.extractor, seen, range(8, 11), None, fill=8)
    assert means.sizes == [8]
    assert torch.equal(vectors, seen.double().mean((2, 3)).float())
    assert torch.equal(vectors, _extract(means.extractor, seen, range(8, 11), None, fill=0))
    assert means.sizes == [8, 3]


def test_on_a_cpu_blocks_stay_as_they_are_and_are_read_one_by_one() -> None:
    means, every = Means(), pictures(7)
    num_read_ahead = []

    def read(indices: Sequence[int]) -> Bytes:
        num_read_ahead.append(len(num_read_ahead) - len(means.sizes))
        return every[list(indices)]

    vectors = extract_features(read, 7, means.extractor, batch_size=3)
    assert means.sizes == [3, 3, 1]
    assert num_read_ahead == [0, 0, 0]
    assert torch.equal(vectors, every.double().mean((2, 3)).float())


def test_recorded_drawings_of_photos_are_the_plain_ones() -> None:
    photos = pictures(6)
    made = generator()

    def read(indices: Sequence[int]) -> Bytes:
        return photos[list(indices)]

    plain = generated_pictures(read, made, CPU, torch.float32)(range(6))
    recorded = generated_pictures(read, made, CPU, torch.float32, recorder=TracingRecorder())
    assert torch.equal(recorded(range(6)), plain)
    next(made.parameters()).fill_(torch.nan)
    with pytest.raises(CartoonError, match="photo 2 is not finite"):
        recorded([2])
