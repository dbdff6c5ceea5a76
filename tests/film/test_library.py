"""Without PyAV one line says what to type."""

import sys

import pytest

from cartoon_dist.errors import ConfigError
from cartoon_dist.film import library


def test_without_pyav(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ConfigError, match=r"pip install 'cartoon-dist\[film\]'"):
        library.prepare()


def test_its_version_has_three_numbers() -> None:
    library.prepare()
    assert len(library.version().split(".")) == 3
