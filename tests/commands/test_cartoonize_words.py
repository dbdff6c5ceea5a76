"""Which of the words of `cartoonize` is the model, which the input, which the output and which a setting."""

from pathlib import Path

import pytest

from cartoon_dist.commands.cartoonize import read_command_line
from cartoon_dist.config.commands import FilmSettings
from cartoon_dist.errors import ConfigError

READ = tuple[str | None, str, str | None]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Pictures, a film, and models of every kind, where the command is typed."""
    for name in ("photos/a.jpg", "b.jpg", "c.png", "film.mp4", "m.onnx", "m.safetensors", "me/own/x.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    for name in ("run/config.yaml", "run/metrics.jsonl", "hub/config.json", "hub/model.safetensors"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    checkpoint = tmp_path / "run/step-0000001"
    checkpoint.mkdir()
    (checkpoint / "manifest.json").write_text('{"format": 1}')
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(*words: str) -> READ:
    arguments, _ = read_command_line(words)
    return arguments.model, arguments.input, arguments.output


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("b.jpg", (None, "b.jpg", None)),
        ("photos", (None, "photos", None)),
        ("film.mp4", (None, "film.mp4", None)),
        ("b.jpg c.jpg", (None, "b.jpg", "c.jpg")),
        ("b.jpg out", (None, "b.jpg", "out")),
        ("photos cartoons", (None, "photos", "cartoons")),
        ("film.mp4 drawn.mkv", (None, "film.mp4", "drawn.mkv")),
        ("gone.jpg out.png", (None, "gone.jpg", "out.png")),
        ("gone/anime out/deep", ("gone/anime", "out/deep", None)),  # may be a hub's name
        ("photos/gone out/deep", (None, "photos/gone", "out/deep")),  # its first part is a folder here
        ("me/own out", (None, "me/own", "out")),  # as a hub's name, but it is a folder here
        ("m.onnx b.jpg", ("m.onnx", "b.jpg", None)),
        ("gone.safetensors b.jpg", ("gone.safetensors", "b.jpg", None)),
        ("run photos", ("run", "photos", None)),
        ("run/step-0000001 photos", ("run/step-0000001", "photos", None)),
        ("hub film.mp4", ("hub", "film.mp4", None)),
        ("ann/anime b.jpg", ("ann/anime", "b.jpg", None)),
        ("hf://ann/anime@main b.jpg", ("hf://ann/anime@main", "b.jpg", None)),
        ("run photos out", ("run", "photos", "out")),
        ("anything photos out", ("anything", "photos", "out")),
        ("format=webp b.jpg quality=80 c.webp", (None, "b.jpg", "c.webp")),
    ],
)
def test_which_path_is_which(words: str, expected: READ) -> None:
    assert read(*words.split()) == expected


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        ("", "name a picture, a folder of pictures or a film: .*cartoonize.* INPUT"),
        ("format=png", "name a picture, a folder of pictures or a film"),
        ("m.onnx", r"m\.onnx: is a model; name a picture, .* MODEL INPUT"),
        ("run", "run: is a model"),
        ("b.jpg c.png photos/a.jpg", r"b\.jpg: is a picture, and the first of three paths is the model; draw several"),
        ("run b.jpg c.png photos/a.jpg", r"photos/a\.jpg: is one path too many"),
        ("b.jpg formt=png", "formt: no such setting, did you mean format"),
        ("b.jpg moon=1", "moon: no such setting"),
        ("b.jpg format=gif", "format: Input should be 'jpg', 'png' or 'webp'"),
        ("b.jpg quality=101", "quality: Input should be less than or equal to 100"),
        ("b.jpg keep_place=maybe", "keep_place: Input should be a valid boolean"),
        ("b.jpg steady=2", "steady: Input should be less than or equal to 1"),
    ],
)
def test_what_makes_no_sense_is_told(words: str, fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        read(*words.split())


def test_settings_and_their_older_spelling(capsys: pytest.CaptureFixture[str]) -> None:
    _, settings = read_command_line(["--format", "webp", "b.jpg", "--quality", "80", "keep_place=true"])
    assert (settings.format, settings.quality, settings.keep_place) == ("webp", 80, True)
    assert "warning: --format webp is now format=webp" in capsys.readouterr().err


def test_films_have_settings_of_their_own_and_others_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    _, film = read_command_line(["film.mp4", "steady=0.5", "quality=80"])
    assert isinstance(film, FilmSettings)
    assert film.steady == 0.5
    assert capsys.readouterr().err == "warning: quality= has no effect on a film\n"
    _, picture = read_command_line(["b.jpg", "steady=0.5", "quality=80"])
    assert not isinstance(picture, FilmSettings)
    assert picture.quality == 80
    assert capsys.readouterr().err == "warning: steady= has no effect on pictures\n"
