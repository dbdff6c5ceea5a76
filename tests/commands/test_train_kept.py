"""Training with decoded samples kept, as a user starts it: the same run to the bit, on one process and on two, stopped
and on again, with damaged samples too."""

import shutil
from pathlib import Path

import pytest
import torch

from tests.data.shard_folders import damage_samples, rewrite_records
from tests.running import cheap, metrics, script, train, weights

pytestmark = pytest.mark.slow
STEPS = 9


def states(run: Path) -> dict[str, torch.Tensor]:
    return weights(run, STEPS)


def same(one: Path, other: Path) -> bool:
    first, second = states(one), states(other)
    assert first.keys() == second.keys()
    return all(torch.equal(held, second[name]) for name, held in first.items())


@pytest.mark.parametrize("num_processes", [1, 2])
def test_a_kept_run_is_the_decoded_one_also_when_it_goes_on(shards: Path, tmp_path: Path, num_processes: int) -> None:
    copied = Path(shutil.copytree(shards, tmp_path / "shards"))
    damage_samples(copied / "photos", "photo", [1, 6])
    rewrite_records(copied / "photos")
    words = ("image_size=16", "data.fit=crop", f"max_steps={STEPS}", "data.num_workers=1")
    said = {}
    for name, first, then in (("decoded", "none", "none"), ("kept", "host", "host"), ("mixed", "none", "auto")):
        run = cheap(copied, tmp_path / name, *words)
        begun = train([*run, "max_steps=4", f"data.keep={first}"], num_processes=num_processes)
        assert begun.returncode == 0, begun.stderr
        ended = train([*run, f"data.keep={then}"], num_processes=num_processes)
        assert ended.returncode == 0, ended.stderr
        assert "goes on after step 4" in ended.stderr
        said[name] = [
            [line.replace(str(tmp_path), "") for line in each.stderr.splitlines() if "stands in for it" in line]
            for each in (begun, ended)
        ]
        assert ("one copy a node" in ended.stderr) is (then != "none")
    assert same(tmp_path / "decoded", tmp_path / "kept")
    assert same(tmp_path / "decoded", tmp_path / "mixed")
    assert said["decoded"] == said["kept"] == said["mixed"]
    assert said["decoded"] != [[], []]
    counts = [[record.get("damaged") for record in metrics(tmp_path / name)] for name in ("decoded", "kept")]
    assert counts[0] == counts[1]


def test_a_device_is_refused_without_a_gpu_in_one_line(shards: Path, tmp_path: Path) -> None:
    refused = script("launch/train.py", *cheap(shards, tmp_path / "run", "data.keep=device"))
    assert refused.returncode == 2
    assert refused.stderr.splitlines()[-1] == (
        "error: data.keep=device: this run computes on a CPU; use data.keep=host, or a GPU"
    )
