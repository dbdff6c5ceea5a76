"""YAML and JSON that anybody may have written: read within bounds, or refused on one line."""

from pathlib import Path

import pytest
import yaml

from cartoon_dist.config import overrides
from cartoon_dist.config.reading import check, read
from cartoon_dist.config.train import TrainSettings
from cartoon_dist.errors import ConfigError
from cartoon_dist.files.json_yaml import ParseError, parse_json, parse_yaml
from tests.hostile import JSON, REFUSED


@pytest.mark.parametrize(("content", "said"), REFUSED.values(), ids=REFUSED)
def test_unsupported_yaml_is_refused_on_one_line(content: str | bytes, said: str, tmp_path: Path) -> None:
    with pytest.raises(ParseError) as caught:
        parse_yaml(content)
    assert said in str(caught.value)
    assert str(caught.value).isprintable()
    file = tmp_path / "x.yaml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigError, match=r"x\.yaml: "):
        overrides.load_yaml(file)


def test_plain_yaml_is_parsed_as_by_safe_load() -> None:
    text = "a: 1\nb: 1e-3\nc: [true, null, ~, .inf]\nd: {e: 'x', f: 0x10}\ng: &g {h: 1}\ni: {<<: *g, j: 2}\nk: *g\n"
    assert parse_yaml(text) == yaml.safe_load(text)
    assert parse_yaml("") is None


def test_a_date_stays_a_text() -> None:
    assert parse_yaml("run_dir: 2024-05-06") == {"run_dir": "2024-05-06"}
    assert read(TrainSettings, [], ["run_dir=2024-05-06"]).run_dir == "2024-05-06"
    with pytest.raises(ConfigError, match=r"seed: .*integer.* \(got '2024-05-06'\)"):
        read(TrainSettings, [], ["seed=2024-05-06", "run_dir=x"])


@pytest.mark.parametrize("text", JSON[:6])
def test_unsupported_json_is_refused_on_one_line(text: str | bytes) -> None:
    with pytest.raises(ParseError) as caught:
        parse_json(text)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "word",
    [
        f"{'a.' * 5000}b=1",
        "seed=" + "9" * 5000,
        "seed=0x" + "f" * 5000,
        "epochs=1e999",
        "seed=!!int abc",
        "seed=" + "[" * 5000,
        "seed={a: 1, a: 2}",
        "model=3",
        "loss.content.network=[1]",
        "checkpoint.every=.inf",
        "checkpoint.keep_every=.nan",
        "optimizer.milestones=[[1]]",
        "max_steps=1e300",
        "optimizer.betas={a: 1}",
    ],
)
def test_an_invalid_setting_is_refused_on_a_short_line(word: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(TrainSettings, [], [word, "run_dir=x"])
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("values", [None, [], "x", 3])
def test_settings_that_are_no_mapping_are_refused(values: object) -> None:
    with pytest.raises(ConfigError, match="mapping"):
        check(TrainSettings, values)
