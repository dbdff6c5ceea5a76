"""Every text that a setting takes, fed with what would break out of a script, a page, a terminal or a log.

The settings are found by walking the classes, so that a new one is covered by itself.
"""

import dataclasses
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
import yaml

from cartoon_dist.config.cluster import ClusterSettings
from cartoon_dist.config.commands import ComputeSettings
from cartoon_dist.config.reading import check, read
from cartoon_dist.config.shards import IndexSettings, ShardSettings
from cartoon_dist.config.train import TrainSettings
from cartoon_dist.errors import ConfigError

KINDS = [TrainSettings, ShardSettings, IndexSettings, ClusterSettings, ComputeSettings]
NEEDED: dict[Any, dict[str, str]] = {TrainSettings: {"run_dir": "runs/x"}}
REFUSED = {
    "a line": "x\ntouch /tmp/PWN",
    "a return": "x\rtouch /tmp/PWN",
    "a terminal": "x\x1b]0;PWN\x07",
    "a C1 control": "x\x9b2J",
    "a NUL": "x\x00y",
    "a delete": "x\x7f",
    "bytes": "x\udcff\udcfe",
    "backwards": "x\u202egnp.exe",
    "isolated": "x\u2066y\u2069",
    "a separator": "x\u2028touch /tmp/PWN",
    "long": "x" * 5000,
    "long names": "/".join(["x" * 256] * 3),
    "an unknown variable": "$NO_SUCH_VARIABLE/x",
    "an unknown user": "~no-such-user-here/x",
}
"""What no setting takes."""
TAKEN = ["a b", "a'b", 'a"b', "a`touch PWN`", "$(touch PWN)", "a;b", "a&b", "-x", "--x=y", "漢 ü", "a\\nb", "#x", "<b>"]
"""What a folder may be called: it must never be more than a name."""


def texts(kind: Any, prefix: str = "") -> list[str]:
    """The paths of all settings of a kind that take any text."""
    paths = []
    for field in dataclasses.fields(kind):
        hint = get_type_hints(kind)[field.name]
        if dataclasses.is_dataclass(hint):
            paths += texts(hint, f"{prefix}{field.name}.")
        elif hint is str or str in get_args(hint):
            paths.append(f"{prefix}{field.name}")
    return paths


CASES = [(kind, path) for kind in KINDS for path in texts(kind)]


def ids(value: object) -> str:
    return value if isinstance(value, str) else getattr(value, "__name__", "")


def test_the_walk_finds_the_settings() -> None:
    assert texts(ShardSettings) == ["saliency.external"]
    assert texts(ClusterSettings) == ["partition", "account", "qos", "constraint"]
    assert {"run_dir", "weights_folder", "data.photos", "data.cartoons", "data.cache"} <= set(texts(TrainSettings))


@pytest.mark.parametrize("hostile", REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize(("kind", "path"), CASES, ids=ids)
def test_no_text_takes_what_breaks_out(kind: Any, path: str, hostile: str) -> None:
    for arguments in ([f"{path}={hostile}"], [f"{path}={yaml.safe_dump(hostile, width=10**6).strip()}"]):
        with pytest.raises(ConfigError) as caught:
            read(kind, [], arguments, **(NEEDED.get(kind, {}) if path not in NEEDED.get(kind, {}) else {}))
        message = str(caught.value)
        assert message.startswith(f"{path}: ")
        assert message.isprintable()
        assert len(message) < 500


@pytest.mark.parametrize("kind", KINDS, ids=ids)
@pytest.mark.parametrize("hostile", ["x\ny", "x\x1by", "x\udcff"])
def test_no_name_of_a_setting_breaks_out(kind: Any, hostile: str) -> None:
    for values in ({hostile: 1}, {"deep": {hostile: 1}}, {"list": [hostile]}):
        with pytest.raises(ConfigError) as caught:
            check(kind, values | NEEDED.get(kind, {}))
        assert str(caught.value).isprintable()


@pytest.mark.parametrize("name", TAKEN)
def test_a_folder_may_have_any_other_name(name: str, tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text(yaml.safe_dump({"run_dir": name}, allow_unicode=True))
    assert read(TrainSettings, [file], []).run_dir == name
