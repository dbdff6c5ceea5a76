"""Paths in settings and options: expanded as a shell would, or refused."""

from pathlib import Path

import pytest

from cartoon_dist.config import overrides
from cartoon_dist.config.command_line import read_words
from cartoon_dist.config.commands import ExportSettings
from cartoon_dist.config.reading import read
from cartoon_dist.config.train import TrainSettings
from cartoon_dist.errors import ConfigError
from tests.config.test_hostile_settings import KINDS, NEEDED, ids, texts

NOT_PATHS = ("partition", "account", "qos", "constraint", "loss.content.layer", "track_project")
PATHS = [(kind, path) for kind in KINDS for path in texts(kind) if path not in NOT_PATHS]
"""Every text among the settings but these: a new one is a path until it stands above."""


@pytest.fixture(autouse=True)
def _home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("DATA", "/data/of mine")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("~/x", "/home/me/x"),
        ("~/", "/home/me/"),
        ("$HOME/x", "/home/me/x"),
        ("${DATA}/x", "/data/of mine/x"),
        ("a$DATA-$HOME", "a/data/of mine-/home/me"),
        ("a/~/x", "a/~/x"),
        ("./~", "./~"),
        ("a$", "a$"),
        ("$5", "$5"),
        ("a~b", "a~b"),
    ],
)
@pytest.mark.parametrize(("kind", "path"), PATHS, ids=ids)
def test_a_path_is_expanded(kind: type[object], path: str, value: str, expected: str, tmp_path: Path) -> None:
    for files, arguments in (([], [f"{path}={value}"]), ([_yaml(tmp_path, path, value)], [])):
        settings = read(kind, files, arguments, **(NEEDED.get(kind, {}) if path not in NEEDED.get(kind, {}) else {}))
        assert overrides.flatten(overrides.to_dict(settings))[path] == expected


def _yaml(folder: Path, path: str, value: str) -> Path:
    file = folder / "x.yaml"
    *groups, name = path.split(".")
    file.write_text("".join(f"{'  ' * depth}{group}:\n" for depth, group in enumerate(groups)))
    with file.open("a") as more:
        more.write(f"{'  ' * len(groups)}{name}: '{value}'\n")
    return file


@pytest.mark.parametrize("url", ["https://host/$x/~me", "s3://bucket/$NO_SUCH_VARIABLE", "file:///a/$b"])
def test_a_url_stays_as_it_is(url: str) -> None:
    assert read(TrainSettings, [], [f"data.photos={url}", "run_dir=x"]).data.photos == url


def test_a_variable_that_is_not_set_is_named() -> None:
    with pytest.raises(ConfigError, match=r"run_dir: \$NO_SUCH_VARIABLE is not set; set it or write the path out"):
        read(TrainSettings, [], ["run_dir=runs/$NO_SUCH_VARIABLE"])


@pytest.mark.parametrize("name", ["$NO_SUCH_VARIABLE", "~no-such-user-here"])
def test_a_folder_of_exactly_that_name_is_taken(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    assert read(TrainSettings, [], [f"run_dir={name}"]).run_dir == name


def test_an_expanded_path_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run's own config, read again, means the same folders whoever reads it."""
    settings = read(TrainSettings, [], ["run_dir=~/x", "data.photos=$DATA/p"])
    file = tmp_path / "config.yaml"
    file.write_text(f"run_dir: {settings.run_dir}\ndata: {{photos: {settings.data.photos}}}\n")
    monkeypatch.setenv("HOME", "/home/you")
    assert read(TrainSettings, [file], []) == settings


def test_paths_of_commands_are_expanded_too() -> None:
    assert read_words(ExportSettings, ["photo=~/x.json"]).photo == "/home/me/x.json"
    with pytest.raises(ConfigError, match="NO_SUCH_VARIABLE is not set"):
        read_words(ExportSettings, ["photo=$NO_SUCH_VARIABLE/x.json"])
