"""The whole forward by onnxruntime: every model, sizes and batches of all kinds, the same cartoons as torch's."""

import pytest
import torch

from cartoon_dist.inference.onnx_whole import WholeForward
from cartoon_dist.models.generator import GeneratorOutput
from tests.inference.networks import KINDS, noise_photo, small_generator


@pytest.mark.parametrize("kind", KINDS)
def test_every_model_is_as_torch_draws_it(kind: str) -> None:
    made = small_generator(kind)
    whole = WholeForward(made)
    for num, height, width in ((1, 8, 8), (3, 44, 20), (1, 12, 60)):
        photos = noise_photo(height, width, num=num)
        output: GeneratorOutput = made(photos)
        assert output.generated.std() > 0.05
        assert torch.allclose(whole(photos), output.generated, atol=2e-4)


def test_what_the_picture_does_not_need_is_not_computed() -> None:
    """The saliency map's decoder takes a fourth of the forward."""
    made = small_generator("projection resize cbam")
    assert made.saliency is not None
    for parameter in made.saliency.decoder.parameters():
        parameter.fill_(torch.nan)
    assert WholeForward(made)(noise_photo(16, 16)).isfinite().all()
