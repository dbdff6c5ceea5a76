"""What is handed to Slurm, word by word."""

import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from cartoon_dist.cluster.jobs import CommandTask, sbatch_file, sbatch_file_distributed, submit
from cartoon_dist.commands.main import status_of
from cartoon_dist.config.cluster import ClusterSettings
from cartoon_dist.config.reading import check, read
from cartoon_dist.errors import ClusterError, ConfigError
from tests.running import ROOT

FILE = """\
#!/bin/bash

# Parameters
#SBATCH --account=films
#SBATCH --array=0-3%2
#SBATCH --cpus-per-task=16
#SBATCH --error=/data/out/jobs/%A_%a_0_log.err
#SBATCH --job-name=photo-shards
#SBATCH --mem=1536MB
#SBATCH --nodes=1
#SBATCH --open-mode=append
#SBATCH --output=/data/out/jobs/%A_%a_0_log.out
#SBATCH --requeue
#SBATCH --signal=USR2@90
#SBATCH --time=90
#SBATCH --wckey=submitit

# setup
. PROJECT/slurm/environment.sh

# command
export SUBMITIT_EXECUTOR=slurm
srun --unbuffered --output /data/out/jobs/%A_%a_%t_log.out --error /data/out/jobs/%A_%a_%t_log.err --cpus-per-task=16 \
PYTHON -u -m submitit.core._submit /data/out/jobs
"""


def test_the_sbatch_file() -> None:
    settings = ClusterSettings(nodes=4, cpus=16, mem_gb=1.5, time_hours=1.5, at_once=2, account="films")
    made = sbatch_file(4, settings, name="photo-shards", folder=Path("/data/out/jobs"))
    assert made == FILE.replace("PYTHON", sys.executable).replace("PROJECT", str(ROOT))


def test_a_single_task_is_no_array() -> None:
    made = sbatch_file(1, ClusterSettings(), name="photo-shards", folder=Path("/data/out/jobs"))
    assert "--array" not in made


FOLDERS = [
    "a b",
    "a'b",
    'a"b',
    "a`touch PWN`",
    "$(touch PWN)",
    "a;touch PWN",
    "a&touch PWN",
    "-x",
    "漢 ü",
    "#x",
    "*",
    "<b>",
]
SRUN = """#!/bin/sh
for word in "$@"; do printf '%s\\n' "$word" >> arguments; done
"""


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_in_the_script_is_never_more_than_a_name(name: str, tmp_path: Path) -> None:
    """The script is run by bash, with a program in srun's place that writes down what it is given."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/srun").write_text(SRUN)
    (tmp_path / "bin/srun").chmod(0o755)
    settings, folder = ClusterSettings(account="films"), tmp_path / name / "jobs"
    for made in (
        sbatch_file(3, settings, name=name, folder=folder),
        sbatch_file_distributed(settings, name=name, folder=folder),
    ):
        (tmp_path / "arguments").unlink(missing_ok=True)
        ours = {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
        subprocess.run(["bash"], input=made, cwd=tmp_path, env=ours, text=True, check=True)
        arguments = (tmp_path / "arguments").read_text().splitlines()
        assert arguments[-5:] == [sys.executable, "-u", "-m", "submitit.core._submit", str(folder)]
        assert sorted(path.name for path in tmp_path.iterdir()) == ["arguments", "bin"]
        lines = [line for line in made.splitlines() if line.startswith("#SBATCH")]
        assert shlex.split(lines[0]) == ["#SBATCH", "--account=films"]
        assert ["#SBATCH", f"--job-name={name}"] in map(shlex.split, lines)


@pytest.mark.parametrize("name", ["a\ntouch PWN", "a\rb", "a\x1bb", "a\udcff", "a\u202eb"])
def test_no_script_is_made_with_a_name_that_breaks_out(name: str, tmp_path: Path) -> None:
    settings, task = ClusterSettings(cluster="local"), CommandTask(refuse, ())
    made: list[Callable[..., object]] = [
        partial(sbatch_file, 1, settings),
        partial(sbatch_file_distributed, settings),
        partial(submit, [task], settings),
    ]
    for make in made:
        for names in ({"name": name, "folder": tmp_path / "jobs"}, {"name": "x", "folder": tmp_path / name / "jobs"}):
            with pytest.raises(ClusterError, match=r"holds .* which no script may hold") as caught:
                make(**names)
            assert str(caught.value).isprintable()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["100%", "%j", "a\\b"])
def test_a_folder_that_slurm_would_read_otherwise_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="means something else"):
        sbatch_file(1, ClusterSettings(), name="x", folder=tmp_path / name)


@pytest.mark.parametrize("setting", ["partition", "account", "qos", "constraint"])
@pytest.mark.parametrize(
    "value", ["-x", "--uid=0", "a b", "a;b", "$(touch PWN)", "`x`", "a'b", 'a"b', "", "#", "a\nb", "a/b"]
)
def test_only_names_reach_slurm(setting: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"^{setting}: "):
        check(ClusterSettings, {setting: value})


@pytest.mark.parametrize(
    "word", ["partition=gpu,gpu-big", "account=a.b@c", "qos=high_1", "constraint=[a100|h100]&nvlink*2", "partition=漢"]
)
def test_what_slurm_knows_reaches_it(word: str) -> None:
    settings = read(ClusterSettings, [], [word])
    lines = sbatch_file(1, settings, name="x", folder=Path("/data")).splitlines()
    assert ["#SBATCH", f"--{word}"] in [shlex.split(line) for line in lines if line.startswith("#SBATCH")]


def refuse(_arguments: object) -> int:
    raise ConfigError("seed: no\nsuch setting")


@pytest.mark.parametrize(("command", "status"), [(lambda _: 75, 75), (partial(status_of, refuse), 2)])
def test_the_status_of_a_command_becomes_its_tasks(
    command: object, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        CommandTask(command, ())()
    assert left.value.code == status
    assert capsys.readouterr().err == ("error: seed: no such setting\n" if status == 2 else "")


def test_a_task_that_comes_back_does_the_same_again() -> None:
    calls: list[tuple[str, ...]] = []
    task = CommandTask(lambda arguments: calls.append(arguments) or 0, ("a", "1/2"))
    task()
    task.checkpoint().result()
    assert calls == [("a", "1/2"), ("a", "1/2")]
