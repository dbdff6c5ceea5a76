"""The command line: settings are `key=value`, flags take no value, and the spellings of before still work."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from cartoon_dist.commands import cartoonize, export, fid, shards, table, weights
from cartoon_dist.errors import ConfigError
from tests.running import script

Reader = Callable[[Sequence[str]], Any]
MODEL = ["run", "in", "out"]
TABLE = ["photos", "cartoons", "out"]


@pytest.mark.parametrize(
    ("read", "old", "new"),
    [
        (cartoonize.read_command_line, [*MODEL, "--weights", "raw"], [*MODEL, "weights=raw"]),
        (cartoonize.read_command_line, [*MODEL, "--megapixels", "4"], [*MODEL, "megapixels=4"]),
        (cartoonize.read_command_line, [*MODEL, "--max-megapixels", "9"], [*MODEL, "max_megapixels=9"]),
        (export.read_command_line, ["run", "a.onnx", "--weights", "raw"], ["run", "a.onnx", "weights=raw"]),
        (export.read_command_line, ["run", "a.onnx", "--photo", "~/007"], ["run", "a.onnx", "photo=~/007"]),
        (
            export.read_command_line,
            ["run", "a.onnx", "--pictures-licence", "frames: not ours"],
            ["run", "a.onnx", "pictures_licence=frames: not ours"],
        ),
        (fid.read_command_line, ["a", "--against", "b", "--out", "c.json"], ["a", "against=b", "out=c.json"]),
        (fid.read_command_line, ["run", "score.weights=raw"], ["run", "weights=raw"]),
        (table.read_command_line, [*TABLE, "--seeds", "1,sal=3"], [*TABLE, "seeds=1,sal=3"]),
        (table.read_command_line, [*TABLE, "--rows", "sal"], [*TABLE, "rows=sal"]),
        (table.read_command_line, [*TABLE, "--processes", "2"], [*TABLE, "processes=2"]),
        (table.read_command_line, [*TABLE, "--jobs", "nodes=1 cpus=2"], [*TABLE, "--submit", "nodes=1", "cpus=2"]),
        (weights.read_command_line, ["fetch", "vgg16", "--folder", "w"], ["fetch", "vgg16", "weights_folder=w"]),
        (weights.read_command_line, ["list", "--folder", "w"], ["list", "weights_folder=w"]),
        (shards.read_command_line, ["a", "out", "--slice", "1/8"], ["a", "out", "slice=1/8"]),
    ],
)
def test_an_old_spelling_is_the_new_one_with_a_warning(
    read: Reader, old: list[str], new: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    def values(argv: list[str]) -> list[Any]:
        arguments, *settings = read(argv)
        noted = ("renamed", "jobs", "submit")
        return [{key: value for key, value in vars(arguments).items() if key not in noted}, *settings]

    after = values(new)
    assert capsys.readouterr().err == ""
    assert values(old) == after
    said = capsys.readouterr().err.splitlines()
    assert said
    assert all(line.startswith("warning: ") and " is now " in line for line in said)


def test_the_warning_names_both_spellings(capsys: pytest.CaptureFixture[str]) -> None:
    cartoonize.read_command_line([*MODEL, "--weights", "raw"])
    assert capsys.readouterr().err == "warning: --weights raw is now weights=raw\n"


@pytest.mark.parametrize(
    ("read", "argv", "message"),
    [
        (cartoonize.read_command_line, [*MODEL, "wieghts=raw"], "wieghts: no such setting, did you mean weights"),
        (cartoonize.read_command_line, ["wieghts=raw", *MODEL], "wieghts: no such setting, did you mean weights"),
        (cartoonize.read_command_line, [*MODEL, "megapixels=-1"], "megapixels: Input should be greater than 0"),
        (cartoonize.read_command_line, [*MODEL, "--weights", "best"], "weights: Input should be 'ema' or 'raw'"),
        (export.read_command_line, ["run", "a.onnx", "photos=a"], "photos: no such setting, did you mean photo"),
        (fid.read_command_line, ["run", "agianst=a"], "agianst: no such setting, did you mean against"),
        (table.read_command_line, [*TABLE, "process=2"], "process: no such setting, did you mean processes"),
        (table.read_command_line, [*TABLE, "nodes=2"], "nodes: is of --submit"),
        (table.read_command_line, [*TABLE, "--submit", "nodes=many"], "nodes: Input should be a valid integer"),
        (
            weights.read_command_line,
            ["list", "weight_folder=a"],
            "weight_folder: no such setting, did you mean weights_",
        ),
        (weights.read_command_line, ["list", "vgg16"], "vgg16: list takes no names"),
        (shards.read_command_line, ["a", "out", "slcie=1/8"], "slcie: no such setting, did you mean slice"),
    ],
)
def test_a_wrong_setting_is_answered_with_the_nearest(read: Reader, argv: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read(argv)


def test_settings_stand_anywhere_and_paths_may_look_like_them() -> None:
    for argv in (["weights=raw", *MODEL], ["run", "weights=raw", "in", "out"], [*MODEL, "weights=raw"]):
        arguments, settings = cartoonize.read_command_line(argv)
        assert ([arguments.model, arguments.input, arguments.output], settings.weights) == (MODEL, "raw")
    arguments, settings = cartoonize.read_command_line(["run", "a=b/photo.jpg", "./weights=1", "device=cpu"])
    assert (arguments.input, arguments.output, settings.device) == ("a=b/photo.jpg", "./weights=1", "cpu")


def test_help_shows_the_new_spellings_alone() -> None:
    for name in ("cartoonize", "export", "fid", "table"):
        text = script(f"launch/{name}.py", "--help").stdout
        options = {word.strip("[],") for word in text.split() if word.strip("[],").startswith("--")}
        assert options <= {"--help", "--untrained", "--submit", "--write-only", "--curves"}, name
