"""What the words of `cartoon-dist web` mean, and its errors."""

import sys
from pathlib import Path

import pytest

from cartoon_dist.commands import web
from cartoon_dist.commands.main import EXIT_USER_ERROR, status_of
from cartoon_dist.errors import CheckpointError, ConfigError


def test_models_and_settings_in_any_order() -> None:
    arguments, settings = web.read_command_line(["runs/a", "port=0", "b.onnx", "host=0.0.0.0", "keep_minutes=1.5"])
    assert (arguments.models, arguments.static) == (["runs/a", "b.onnx"], None)
    assert (settings.port, settings.host, settings.keep_minutes) == (0, "0.0.0.0", 1.5)
    arguments, settings = web.read_command_line(["--static", "page", "b.onnx", "runtime=a.tgz"])
    assert (arguments.models, arguments.static, settings.runtime) == (["b.onnx"], "page", "a.tgz")


def test_by_default_the_page_is_for_this_machine_alone() -> None:
    _, settings = web.read_command_line([])
    assert settings.host == "127.0.0.1"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["prot=80"], "did you mean port"),
        (["port=65536"], "port"),
        (["port=-1"], "port"),
        (["max_waiting=0"], "max_waiting"),
        (["keep_minutes=nan"], "keep_minutes"),
    ],
)
def test_settings_that_make_no_sense_are_refused(words: list[str], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        web.read_command_line(words)


def test_a_model_that_is_not_there_is_told_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="nowhere"):
        web.main([str(tmp_path / "nowhere"), "port=0"])


def test_without_gradio_one_line_says_what_to_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.onnx").write_text("")
    monkeypatch.setitem(sys.modules, "gradio", None)  # as if it were not installed
    assert status_of(web.main, [str(tmp_path / "a.onnx"), "port=0"]) == EXIT_USER_ERROR
    [line] = capsys.readouterr().err.splitlines()
    assert line == "error: gradio is not installed; type: pip install 'cartoon-dist[web]'"


def test_without_npm_the_page_of_files_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.onnx").write_text("")
    monkeypatch.setenv("PATH", str(tmp_path))
    words = ["--static", str(tmp_path / "page"), str(tmp_path / "a.onnx")]
    assert status_of(web.main, words) == EXIT_USER_ERROR
    [line] = capsys.readouterr().err.splitlines()
    assert "npm" in line
    assert "runtime=onnxruntime-web-" in line
    assert not (tmp_path / "page").exists()


@pytest.mark.parametrize(
    ("host", "alone"),
    [("127.0.0.1", True), ("127.0.0.2", True), ("localhost", True), ("::1", True), ("0.0.0.0", False), ("a.b", False)],
)
def test_which_hosts_others_can_reach(host: str, alone: bool) -> None:  # noqa: FBT001
    assert web.is_this_machine_alone(host) == alone
