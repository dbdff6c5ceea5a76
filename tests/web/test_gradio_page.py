"""What the served page does with a visitor's photo, without a server."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cartoon_dist.web.gradio_library import import_gradio
from cartoon_dist.web.gradio_page import Drawing
from cartoon_dist.web.styles import PhotoLimits, load_styles
from tests.web import opened

Draw = Callable[..., Iterator[list[Any]]]


def drawing(models: list[Path], folder: Path, *, stopped: bool = False) -> Draw:
    """The function behind the button."""
    styles = load_styles({path.stem: path for path in models}, weights=None, device="cpu", megapixels=1)
    limits = PhotoLimits(max_bytes=10**6, max_megapixels=1, max_drawn_megapixels=0.01)
    return Drawing(styles, limits, folder, lambda: stopped).run


@pytest.fixture
def drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for drawings; gradio's own lies beside it."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "gradio"))
    (tmp_path / "drawn").mkdir()
    return tmp_path / "drawn"


@pytest.mark.slow
def test_a_visitor_who_leaves_costs_no_more_drawings_and_leaves_no_files(models: list[Path], drawn: Path) -> None:
    photo = opened.write_photo(drawn.parent / "a.png", height=40, width=60)
    answers = drawing(models, drawn)(str(photo), ["hayao", "hosoda"], "512 px", lambda *_, **__: None)
    first, second, files, words = next(answers)
    assert (first["value"] is None, second["value"]) == (False, None)
    assert [Path(file).name for file in files["value"]] == ["a-hayao.png"]
    assert words.startswith("60 x 40 pixels, ")
    assert {path.suffix for path in drawn.rglob("*.*")} == {".png", ".jpg"}
    answers.close()  # type: ignore[attr-defined]
    assert list(drawn.iterdir()) == []


@pytest.mark.slow
def test_what_is_refused_is_told_in_words(models: list[Path], drawn: Path) -> None:
    draw = drawing(models, drawn)
    photo = opened.write_photo(drawn.parent / "a.png", height=150, width=200)
    error = import_gradio().Error
    for picture, styles, size, told in (
        (None, ["hayao"], "512 px", "Choose a photo first"),
        (str(photo), ["hayao"], "9 px", "Choose a size"),
        (str(photo), ["another"], "512 px", "Choose a style"),
        (str(photo), ["hayao"], "as it is", r"0\.0 megapixels are more than the 0\.01 that are drawn here"),
    ):
        with pytest.raises(error, match=told):
            next(draw(picture, styles, size, lambda *_, **__: None))
    assert list(drawn.iterdir()) == []


@pytest.mark.slow
def test_a_drawing_is_given_up_when_the_server_stops(models: list[Path], drawn: Path) -> None:
    photo = opened.write_photo(drawn.parent / "a.png", height=40, width=60)
    with pytest.raises(import_gradio().Error, match="The server was stopped"):
        next(drawing(models, drawn, stopped=True)(str(photo), ["hayao"], "512 px", lambda *_, **__: None))
    assert list(drawn.iterdir()) == []
