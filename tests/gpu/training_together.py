"""One of two processes that train on one GPU, started by test_two_ranks.py: `training_together.py MODE OUT`.

The launcher's variables name its rank and where to meet; CARTOON_TEST_BACKEND the backend of the gradients.
"""

import os
import sys
from pathlib import Path

import torch
import torch.distributed as dist
from safetensors.torch import save_file

from cartoon_dist.commands.check_capture import built
from cartoon_dist.cpu import switch
from cartoon_dist.distributed import devices
from cartoon_dist.tensors import Batch
from cartoon_dist.train import gradient_averaging
from cartoon_dist.train.engine import Engine
from tests.capture.capturing import PLAIN, batch, capture, flat, settings

NUM_STEPS, COUNT = 8, 4


def main(mode: str, out: Path) -> None:
    """Train on this process's half of each batch; rank 0 leaves all tensors in `out`, each what was said of capture."""
    torch.set_num_threads(1)
    gradient_averaging.BUCKET_BYTES = 4096  # several are sent while the backward runs
    torch.use_deterministic_algorithms(mode=True)
    torch.backends.cudnn.allow_tf32 = False
    devices.choose_device("auto")
    dist.init_process_group(os.environ["CARTOON_TEST_BACKEND"])
    how = PLAIN if mode == "none" else capture(mode, require=False)
    small = settings("ressal_cbam", "precision=fp64", "optimizer.clip=5")
    engine = Engine(precision="fp64", clip=5.0, recordable=mode != "none")
    made = built(small, engine, how)
    first = dist.get_rank() * COUNT // dist.get_world_size()
    with made, switch.disabled():
        for number in range(NUM_STEPS):
            made.scalars.set(content_weight=0.5 / (1 + number), ema_share=0.9 / (1 + number))
            made.engine.set_learning_rates({"generator": 1e-3 / (1 + number), "discriminator": 2e-3 / (1 + number)})
            half = Batch(*(side[first : first + COUNT // dist.get_world_size()] for side in batch(number, count=COUNT)))
            made("warmup" if number < 2 else "gan", engine.to_device(half))
        (out / f"said-{dist.get_rank()}").write_text(
            "\n".join(wrapped.refused for wrapped in made.wrapped.values()), encoding="utf-8"
        )
    if dist.get_rank() == 0:
        save_file({name: held.contiguous() for name, held in flat(made).items()}, out / "state.safetensors")
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
