"""The picture grid: each thing in its place."""

from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn

from cartoon_dist.models.generator import GeneratorOutput
from cartoon_dist.tensors import Images
from cartoon_dist.train.samples import Samples, sample_grid, write_sample_grid

CAPTION = 14


class Negative(nn.Module):
    """Draws the photo's negative, and predicts the opposite of nothing."""

    def __init__(self, *, predicts: bool) -> None:
        super().__init__()
        self.predicts = predicts

    def forward(self, photo: Images) -> GeneratorOutput:
        return GeneratorOutput(-photo, torch.ones_like(photo[:, :1]) if self.predicts else None)


def drawn(*, predicts: bool) -> np.ndarray:
    photo = torch.stack([torch.full((3, 8, 8), value) for value in (-1.0, 1.0)])
    photo[1, 2] = -1.0  # the second is yellow
    samples = Samples(photo, torch.full((2, 1, 8, 8), 0.0))
    return sample_grid(samples, Negative(predicts=predicts), "ema")[CAPTION:]


def test_columns_and_rows() -> None:
    pixels = drawn(predicts=True)
    assert pixels.shape == (16, 32, 3)
    first, second = pixels[4], pixels[12]
    assert [first[x].tolist() for x in (4, 12, 20, 28)] == [[0] * 3, [128] * 3, [255] * 3, [255] * 3]
    assert [second[x].tolist() for x in (4, 28)] == [[255, 255, 0], [0, 0, 255]]


def test_without_a_saliency_network_its_column_is_left_out() -> None:
    assert drawn(predicts=False).shape == (16, 24, 3)


def test_the_file_keeps_the_colours(tmp_path: Path) -> None:
    pixels = drawn(predicts=True)
    write_sample_grid(tmp_path / "new/grid.png", pixels)
    assert np.array_equal(cv2.imread(str(tmp_path / "new/grid.png"))[:, :, ::-1], pixels)
