"""Weights that drift apart between processes: found, and the tensor named, by all of them."""

from pathlib import Path

import pytest
import torch

from cartoon_dist.train.check_replicas import checksums
from tests.running import helper

COMPARE = """
import sys
from pathlib import Path
import torch
import torch.distributed as dist
from torch import nn
from cartoon_dist.config.train import OptimizerSettings
from cartoon_dist.errors import TrainingError
from cartoon_dist.train.check_replicas import require_equal_replicas
from cartoon_dist.train.state import initial_state

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)
networks = {"generator": nn.Sequential(nn.Conv2d(3, 4, 3), nn.Linear(4, 4)), "discriminator": nn.Linear(5, 5).double()}
state = initial_state(networks, OptimizerSettings())
state.step = 700
require_equal_replicas(state)
with torch.no_grad():
    state.ema[1].bias[2] *= 1 + rank * 1e-6
    state.networks["discriminator"].weight[3, 1] += rank * 1e-12
try:
    require_equal_replicas(state)
except TrainingError as error:
    Path(sys.argv[1], f"said-{rank}").write_text(str(error))
"""


@pytest.mark.slow
def test_a_difference_is_named_on_all_processes(tmp_path: Path) -> None:
    (tmp_path / "compare.py").write_text(COMPARE)
    done = helper(tmp_path / "compare.py", tmp_path, num_processes=2)
    assert done.returncode == 0, done.stderr
    said = [(tmp_path / f"said-{rank}").read_text() for rank in range(2)]
    assert said[0] == said[1]
    assert said[0].startswith(
        "after step 700 discriminator.weight is not the same on all processes: process 1 holds it"
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_a_checksum_sees_every_bit_and_its_place(dtype: torch.dtype) -> None:
    weight = torch.randn(5, 7, generator=torch.Generator().manual_seed(1)).to(dtype)
    [expected] = checksums([weight.clone()]).tolist()
    seen = {expected}
    bits = {2: torch.int16, 4: torch.int32, 8: torch.int64}[weight.element_size()]
    for place in range(0, 35, 6):
        for bit in range(weight.element_size() * 8):
            other = weight.clone()
            flat = other.view(bits).view(-1)
            flat[place] ^= torch.tensor(1).bitwise_left_shift(bit).to(bits)
            seen.add(checksums([other]).item())
    assert len(seen) == 1 + 6 * 8 * weight.element_size()
    swapped = weight.clone()
    swapped[0, 0], swapped[0, 1] = weight[0, 1], weight[0, 0]
    assert checksums([swapped]).item() != expected
    assert checksums([weight.T.contiguous().T]).item() == expected  # the memory layout is none of its concern
