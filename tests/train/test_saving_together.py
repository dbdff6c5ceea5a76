"""Two processes save together, and leave together when the disk of the one that writes is full."""

import json
from pathlib import Path

import pytest

from cartoon_dist.runs import checkpoint
from cartoon_dist.train.engine import Engine
from cartoon_dist.train.meter import Meter
from tests.running import helper
from tests.train.synthetic import saver, synthetic

pytestmark = pytest.mark.slow

TOGETHER = """
import json, resource, sys
from pathlib import Path
import torch
from tests.train.synthetic import saver, synthetic
from cartoon_dist.distributed import collectives
from cartoon_dist.errors import CheckpointError
from cartoon_dist.train.engine import Engine
from cartoon_dist.train.meter import Meter

engine, root = Engine(precision="fp32"), Path(sys.argv[1])
torch.manual_seed(collectives.rank())
with saver(root, engine) as saving:
    saving.save(synthetic(1), Meter())
drawn = torch.rand(2).tolist()
torch.manual_seed(9)
state = synthetic(0)
saver(root, engine).resume(state, Meter())
said = {"world_size": collectives.world_size(), "step": state.step, "drawn": drawn, "again": torch.rand(2).tolist()}

def refused(numbers):
    try:
        with saver(root, engine) as saving:
            for step in numbers:
                saving.save(synthetic(step), Meter())
    except CheckpointError as error:
        return str(error)

if collectives.is_main_process():
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))
said |= {"next": refused([2, 3]), "end": refused([4])}
collectives.destroy_process_group()
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
Path(sys.argv[2], str(collectives.rank())).write_text(json.dumps(said))
"""


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, object]]]:
    """The run folder, and what both processes said."""
    root = tmp_path_factory.mktemp("together")
    folder = tmp_path_factory.mktemp("said")
    (folder / "save.py").write_text(TOGETHER)
    done = helper(folder / "save.py", root, folder, num_processes=2)
    assert done.returncode == 0, done.stderr
    return root, [json.loads((folder / str(rank)).read_text()) for rank in range(2)]


def test_each_goes_on_with_its_own_random_state(together: tuple[Path, list[dict[str, object]]]) -> None:
    root, (first, second) = together
    for said in (first, second):
        assert (said["world_size"], said["step"]) == (2, 1)
        assert said["drawn"] == said["again"]
    assert first["drawn"] != second["drawn"]
    assert checkpoint.load(root / "step-0000001")["random"].keys() == {"rank-0:cpu", "rank-1:cpu"}


def test_both_leave_when_the_disk_is_full(together: tuple[Path, list[dict[str, object]]]) -> None:
    root, (first, second) = together
    assert first["next"] == second["next"]
    assert first["end"] == second["end"]
    for said, step in ((str(first["next"]), 2), (str(first["end"]), 4)):
        assert said.startswith(f"{root}/step-000000{step}: cannot be written (")
        assert "File too large" in said
        assert "\n" not in said
    assert [path.name for path in root.iterdir()] == ["step-0000001"]


def test_another_number_of_processes_is_told(
    together: tuple[Path, list[dict[str, object]]], capsys: pytest.CaptureFixture[str]
) -> None:
    state = synthetic(0)
    saver(together[0], Engine(precision="fp32")).resume(state, Meter())
    assert state.step == 1
    assert "torch's random state is that of other processes (2)" in capsys.readouterr().err
