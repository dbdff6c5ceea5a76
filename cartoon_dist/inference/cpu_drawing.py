"""A generator drawn with on a CPU: by onnxruntime, which is faster than torch (docs/performance.md)."""

from typing import TYPE_CHECKING

import torch

from cartoon_dist.inference.steady import is_eased
from cartoon_dist.inference.tiled import PassProgress, generate_in_strips
from cartoon_dist.models.generator import CartoonGenerator, GeneratorOutput
from cartoon_dist.tensors import Bytes, Images, from_bytes

if TYPE_CHECKING:
    from cartoon_dist.inference.onnx_whole import WholeForward


class CpuDrawing:
    """Draws by onnxruntime with a generator in float32 that lies on the CPU.

    Its graph is made when the first picture is drawn, from the weights as they are then. While statistics are eased
    (inference/steady.py) torch draws, as these reach into the forward.
    """

    def __init__(self, generator: CartoonGenerator) -> None:
        self._generator = generator
        self._whole: WholeForward | None = None

    def generate(self, photos: Images) -> Images:
        """The cartoons of photos in [-1, 1]."""
        photos = photos.to("cpu", torch.float32)
        if is_eased(self._generator):
            output: GeneratorOutput = self._generator(photos)
            return output.generated
        if self._whole is None:
            # Takes a moment to import, and only drawing on a CPU needs it.
            from cartoon_dist.inference.onnx_whole import WholeForward

            self._whole = WholeForward(self._generator)
        return self._whole(photos)

    def generate_large(self, photo: Bytes, on_pass: PassProgress) -> Images:
        """The cartoon of one photo, in strips."""
        if is_eased(self._generator):
            return generate_in_strips(self._generator, from_bytes(photo), on_pass=on_pass)
        generated = generate_in_strips(self._generator, photo, on_pass=on_pass, by_onnxruntime=True)
        from cartoon_dist.inference.onnx_graph import give_back_shared_memory

        give_back_shared_memory()
        return generated
