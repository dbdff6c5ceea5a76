"""Which commands there are, how they are named and asked for, and what each needs to be installed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import cartoon_dist
from cartoon_dist import extras
from cartoon_dist.commands import dispatch
from cartoon_dist.commands.main import run_command
from cartoon_dist.console.command_names import PROGRAM, script_of
from tests.running import ROOT, script

LIGHT = """
import json, runpy, sys
sys.argv = ["python -m cartoon_dist", *sys.argv[1:]]
try:
    runpy.run_module("cartoon_dist", run_name="__main__")
finally:
    print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""
HEAVY = {"torch", "cv2", "PIL", "scipy", "skimage", "numba", "accelerate", "webdataset", "av", "onnx", "onnxruntime"}
HEAVY |= {"submitit", "gradio", "transformers", "huggingface_hub"}


@pytest.mark.parametrize("name", dispatch.COMMANDS)
def test_help_imports_nothing_that_takes_long(name: str) -> None:
    """A count of what is imported, as seconds depend on the machine: without these it takes half a second."""
    done = subprocess.run([sys.executable, "-c", LIGHT, *name.split(), "--help"], capture_output=True, check=True)
    assert done.stdout.startswith(f"usage: {PROGRAM} {name}".encode())
    assert HEAVY & set(json.loads(done.stderr.splitlines()[-1])) == set()


@pytest.mark.parametrize("name", dispatch.COMMANDS)
def test_a_clone_has_a_script_for_each_command(name: str) -> None:
    if name == "slurm":  # hands a clone's own scripts out
        return
    text = (ROOT / script_of(name)).read_text(encoding="utf-8")
    assert f'run_script("{name}")' in text
    assert script(script_of(name), "-h").stdout.startswith(f"usage: {script_of(name)}")


def run(words: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[object, str, str]:
    """The status, and what is printed on both streams."""

    def main(given: object) -> int:
        assert given == sys.argv[1:]
        return dispatch.run(words)

    with pytest.raises(SystemExit) as left:
        run_command(main)
    printed = capsys.readouterr()
    return left.value.code, printed.out, printed.err


def test_without_words_it_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    for words in ([], ["--help"], ["-h"]):
        status, out, _ = run(words, capsys)
        assert status == 0
        assert [name for name in dispatch.COMMANDS if f"\n  {name} " not in out] == []
    status, out, _ = run(["shards"], capsys)
    assert [line.split()[:2] for line in out.splitlines()[4:]] == [
        ["shards", "photos"], ["shards", "cartoons"], ["shards", "verify"],
    ]  # fmt: skip


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"], capsys)[:2] == (0, f"{PROGRAM} {cartoon_dist.__version__}\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["trian", "hayao"], "trian: no such command; did you mean train?"),
        (["cartoonise"], "cartoonise: no such command; did you mean cartoonize?"),
        (["shards", "photo", "x"], "shards photo: no such command; did you mean shards photos?"),
        (
            ["shards", "bananas!"],
            "shards bananas!: no such command; there are shards photos, shards cartoons, shards verify",
        ),
        (["photos"], "photos: no such command; did you mean shards photos?"),
        (["bananas!"], "bananas!: no such command; there are cartoonize, web, shards photos, "),
    ],
)
def test_an_unknown_command(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(words, capsys)
    assert (status, out) == (2, "")
    assert err.startswith(f"error: {said}")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "library", "extra"),
    [
        (["train", "demo"], "accelerate", "train"),
        (["shards", "photos", "a", "b"], "numba", "train"),
        (["fid", "runs/x"], "torch_fidelity", "score"),
        (["submit", "train", "demo"], "submitit", "train"),
    ],
)
def test_a_command_whose_extra_is_missing_says_what_to_type(
    words: list[str], library: str, extra: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    status, out, err = run(words, capsys)
    assert (status, out) == (2, "")
    assert err == f"error: {library} is not installed; type: pip install 'cartoon-dist[{extra}]'\n"
    # The list of commands says so too, and help is there all the same.
    out = run([], capsys)[1]
    assert next(line.endswith(f"[{extra}]") for line in out.splitlines() if line.startswith(f"  {words[0]} "))
    assert out.endswith(f"type: pip install '{PROGRAM}[EXTRA]'\n")
    assert run([*words[:1], "--help"], capsys)[0] == 0


def test_a_script_of_another_command_starts_that_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["launch/report.py", str(tmp_path / "none")])
    with pytest.raises(SystemExit) as left:
        dispatch.run_script("report")
    assert left.value.code == 2


def test_extras_are_known_by_name() -> None:
    for name, command in dispatch.COMMANDS.items():
        assert set(command.extras) <= set(extras.LIBRARIES), name
