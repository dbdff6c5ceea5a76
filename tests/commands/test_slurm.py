"""The scripts for sbatch, handed out: they find each other, the installation and its configs from any folder."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from cartoon_dist.commands import slurm
from cartoon_dist.errors import ConfigError
from tests.running import ROOT, environment

SCRIPTS = {path.name for path in (ROOT / "slurm").glob("*.sh")}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Scripts that were handed out, in a folder whose name a shell must not split."""
    assert slurm.main(["copy", str(tmp_path / "my jobs")]) == 0
    return tmp_path / "my jobs"


def without_jobs() -> dict[str, str]:
    return {key: value for key, value in environment().items() if not key.startswith(("SLURM_", "CARTOON_DIST_"))}


def run(script: Path, *words: str, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
    command = ["bash", str(script), *words]
    return subprocess.run(
        command, cwd=cwd, env=without_jobs() | more, capture_output=True, text=True, check=False, timeout=600
    )


def test_all_are_there_and_name_no_place_of_a_clone(folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} == SCRIPTS | {"accelerate"}
    assert {path.name for path in (folder / "accelerate").iterdir()} == {"cpu.yaml", "ddp.yaml", "deepspeed.yaml"}
    for script in folder.glob("*.sh"):
        text = script.read_text()
        assert not [name for name in ("slurm/", "configs/", "launch/", "../.venv", "project's") if name in text]
        subprocess.run(["bash", "-n", script], check=True)
    assert f". {Path(sys.executable).parent / 'activate'}\n" in (folder / "environment.sh").read_text()


def test_what_was_changed_stays_and_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = folder / "environment.sh"
    package = mine.read_text()
    mine.write_text("module load cuda\n")
    (folder / "train_hayao.sh").unlink()
    capsys.readouterr()
    assert slurm.main(["copy", str(folder)]) == 0
    said = capsys.readouterr()
    assert said.err == f"{mine}: was changed, and stays as it is; --replace takes the package's\n"
    assert "8 files written, 1 kept" in said.out
    assert mine.read_text() == "module load cuda\n"
    assert (folder / "train_hayao.sh").exists()
    assert slurm.main(["copy", str(folder), "--replace"]) == 0
    assert mine.read_text() == package


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"file/.*: cannot be read \(Not a directory\); name another folder"):
        slurm.main(["copy", str(tmp_path / "file")])
    with pytest.raises(ConfigError, match="which no script may hold"):
        slurm.main(["copy", str(tmp_path / "a\nb")])


def test_an_interpreter_that_has_no_activate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin dir/python3"))
    text = slurm.scripts(tmp_path)["environment.sh"]
    assert f"export PATH='{tmp_path}/bin dir':\"$PATH\"\n" in text


@pytest.mark.slow
def test_on_a_login_node_it_submits_from_any_folder(folder: Path, tmp_path: Path) -> None:
    done = run(folder / "train_hayao.sh", "batch_size=4", "--dry-run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"\n. {shlex.quote(str(folder / 'environment.sh'))}\n" in done.stdout
    assert "job: 4 processes on 1 node, each with cartoon-dist train hayao batch_size=4" in done.stdout


def test_in_a_job_it_starts_the_installed_package_on_each_node(folder: Path, tmp_path: Path) -> None:
    """srun and accelerate are stood in for by what prints how they are called; real ones run in tests/slurm."""
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "srun").write_text('#!/bin/bash\nwhile [ "${1:0:2}" = -- ]; do shift; done\nexec "$@"\n')
    (programs / "accelerate").write_text('#!/bin/bash\nprintf "%s\\n" "$@"\n')
    for program in programs.iterdir():
        program.chmod(0o755)
    with (folder / "environment.sh").open("a") as file:
        file.write(f"PATH={shlex.quote(str(programs))}:$PATH\n")
    job = {"SLURM_JOB_ID": "7", "SLURM_JOB_NUM_NODES": "2", "SLURM_GPUS_ON_NODE": "4", "SLURM_NODEID": "1"}
    done = run(folder / "train_shinkai.sh", "seed=1", cwd=tmp_path, **job)
    assert done.returncode == 0, done.stderr
    words = done.stdout.splitlines()
    assert words[0] == "launch"
    config = Path(words[words.index("--config_file") + 1])
    assert config == folder / "accelerate/ddp.yaml"
    assert yaml.safe_load(config.read_text())["distributed_type"] == "MULTI_GPU"
    assert words[words.index("--num_processes") + 1] == "8"
    assert words[-5:] == ["-m", "cartoon_dist", "train", "shinkai", "seed=1"]


@pytest.mark.parametrize("name", sorted(SCRIPTS - {"environment.sh", "every_node.sh"}))
def test_a_clones_scripts_say_in_a_line_where_to_start_them(name: str, tmp_path: Path) -> None:
    done = run(ROOT / "slurm" / name, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == "error: slurm/environment.sh: not there; run this from the project's folder\n"


@pytest.mark.parametrize("name", sorted(SCRIPTS - {"environment.sh", "every_node.sh"}))
def test_a_clone_without_an_environment_says_so_in_a_line(name: str, tmp_path: Path) -> None:
    (tmp_path / "clone").mkdir()
    copy = tmp_path / "clone/slurm"
    copy.mkdir()
    for script in (ROOT / "slurm").glob("*.sh"):
        (copy / script.name).write_text(script.read_text())
    done = run(copy / name, "photos", cwd=copy.parent)
    assert done.returncode == 2
    assert done.stderr == (
        "error: slurm/../.venv/bin/activate: not there; make it with `make weights`, or name your environment in "
        "slurm/environment.sh\n"
    )
    assert [path.name for path in copy.parent.iterdir()] == ["slurm"]
