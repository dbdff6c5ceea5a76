"""SVG drawings from outside: rendered at the size asked for; hostile ones are refused in one line."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from bench.training_pictures import drawings
from bench.training_pictures.drawings import cairosvg, on_white, render, trimmed
from cartoon_dist.errors import ConfigError, PictureError

try:
    cairosvg()
except ConfigError as missing:
    pytest.skip(str(missing), allow_module_level=True)

RED_SQUARE = '<rect x="0" y="0" width="10" height="10" fill="#f00"/>'


def svg(body: str, size: str = 'width="20" height="10"', before: str = "") -> bytes:
    namespaces = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return f"{before}<svg {namespaces} {size}>{body}</svg>".encode()


@pytest.mark.parametrize("size", ['width="20" height="10"', 'width="2cm" height="1cm" viewBox="0 0 20 10"'])
def test_a_drawing_with_its_transparency(size: str) -> None:
    rgba = render(svg(RED_SQUARE, size), short_side=32, name="a.svg")
    assert rgba.shape == (32, 64, 4)
    assert rgba[16, 8].tolist() == [255, 0, 0, 255]
    assert rgba[16, 50, 3] == 0
    assert on_white(rgba)[16, 50].tolist() == [255, 255, 255]


def test_a_view_box_alone_says_the_shape() -> None:
    assert render(svg(RED_SQUARE, 'viewBox="0 0 10 30"'), short_side=16, name="a.svg").shape == (48, 16, 4)


def test_a_packed_drawing_is_the_same() -> None:
    plain = render(svg(RED_SQUARE), short_side=32, name="a.svg")
    packed = render(gzip.compress(svg(RED_SQUARE)), short_side=32, name="a.svgz")
    assert np.array_equal(plain, packed)


def test_the_empty_space_around_a_figure_goes() -> None:
    rgba = render(svg(RED_SQUARE), short_side=32, name="a.svg")
    assert trimmed(rgba, name="a.svg").shape == (32, 32, 4)
    with pytest.raises(PictureError, match=r"b.svg: nothing is drawn"):
        trimmed(np.zeros((4, 4, 4), np.uint8), name="b.svg")


def test_no_file_outside_is_shown(tmp_path: Path) -> None:
    """Not by an entity, not as a picture in it."""
    secret = tmp_path / "secret.svg"
    secret.write_bytes(svg('<rect width="20" height="10" fill="#0f0"/>'))
    entity = f'<!DOCTYPE svg [<!ENTITY x SYSTEM "{secret.as_uri()}">]>'
    with pytest.raises(PictureError, match="no safe XML"):
        render(svg("&x;", before=entity), short_side=16, name="a.svg")
    image = f'<image width="20" height="10" xlink:href="{secret.as_uri()}"/>'
    assert not render(svg(RED_SQUARE + image), short_side=16, name="a.svg")[..., 1].any()


def test_a_bomb_of_entities_is_refused() -> None:
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    with pytest.raises(PictureError, match="no safe XML"):
        render(svg("&l9;", before=f'<!DOCTYPE svg [<!ENTITY l0 "ha">{laughs}]>'), short_side=16, name="a.svg")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no safe XML"),
        (b"\x89PNG\r\n", "no safe XML"),
        (gzip.compress(svg(RED_SQUARE))[:30], "damaged .svgz"),
        (gzip.compress(b" " * (drawings.MAX_SVG_BYTES + 1)), "more than 8 MB"),
        (b" " * (drawings.MAX_SVG_BYTES + 1), "more than 8 MB"),
        (svg("", 'width="1e9" height="1"'), "no shape of a picture"),
        (svg("", 'width="0" height="0"'), "no shape of a picture"),
        (svg("", 'width="100%" height="100%"'), "says no size"),
        (svg("", 'viewBox="a b"'), "says no size"),
    ],
    # Not by their bytes: a gzip holds the time, and all workers must give a test the same name.
    ids=["empty", "PNG", "cut gzip", "large gzip", "large", "too wide", "no width", "percent", "words"],
)
def test_what_is_no_drawing_is_refused_in_one_line(content: bytes, said: str) -> None:
    with pytest.raises(PictureError) as raised:
        render(content, short_side=16, name="a.svg")
    assert str(raised.value).startswith("a.svg: ")
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_drawing_that_would_take_years_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each group shows the one before it ten times."""
    monkeypatch.setattr(drawings, "SECONDS", 0.2)
    groups = "".join(f'<g id="g{n}">' + f'<use xlink:href="#g{n - 1}"/>' * 10 + "</g>" for n in range(1, 12))
    endless = svg(f'<defs><g id="g0">{RED_SQUARE}</g>{groups}</defs><use xlink:href="#g11"/>')
    with pytest.raises(PictureError, match=r"a.svg: not rendered in 0.2 s"):
        render(endless, short_side=16, name="a.svg")
