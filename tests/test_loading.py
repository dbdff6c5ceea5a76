"""YAML and JSON that anybody may have written: read within bounds, or refused on one line."""

from pathlib import Path

import pytest
import yaml

from cartoon_dist import nested
from cartoon_dist.config import TrainSettings, check, read
from cartoon_dist.errors import ConfigError
from cartoon_dist.loading import UnreadableError, json_text, yaml_text

BOMB = "\n".join(f"{name}: &{name} [{', '.join([f'*{before}'] * 9 if before else ['x'] * 9)}]"
                 for before, name in zip(["", *"abcdefgh"], "abcdefghi", strict=True))  # fmt: skip
MERGES = "\n".join(f"{name}: &{name} {{{f'<<: [*{before}' + f', *{before}' * 8 + ']' if before else 'x: 1'}}}"
                   for before, name in zip(["", *"abcdefgh"], "abcdefghi", strict=True))  # fmt: skip
REFUSED = {
    "a key twice": ("seed: 1\nepochs: 2\nseed: 3\n", "gives seed twice, in line 3, first in line 1"),
    "an inner key twice": ("loss:\n  content: {weight: 1, weight: 2}\n", "gives weight twice, in line 2"),
    "deep": ("a: " + "[" * 100_000, "nested more than 20 deep, in line 1"),
    "deep blocks": ("\n".join(" " * depth + "a:" for depth in range(500)), "nested more than 20 deep"),
    "anchors": (BOMB, "more than 20000 values"),
    "merged anchors": (MERGES, "more than 20000 values"),
    "itself": ("a: &a [*a]", "holds itself, in line 1"),
    "large": ("# " + "x" * 300_000, "larger than 256 KiB"),
    "digits": ("seed: " + "9" * 5000, "holds no int where it says so, in line 1"),
    "no number": ("seed: 1\nepochs: !!int abc", "holds no int where it says so, in line 2"),
    "no truth": ("score_at_end: !!bool abc", "holds no bool"),
    "nothing": ("seed: !!int ''", "holds no int"),
    "a binary": ("run_dir: !!binary eA==", "of the kind tag:yaml.org,2002:binary"),
    "a set": ("run_dir: !!set {a}", "of the kind tag:yaml.org,2002:set"),
    "a moment": ("run_dir: !!timestamp x", "of the kind tag:yaml.org,2002:timestamp"),
    "a program": ("run_dir: !!python/object/apply:os.system [x]", "of the kind tag:yaml.org,2002:python"),
    "a key that is a number": ("1: 2", "a key that is no plain word, in line 1"),
    "a key that is a list": ("? [a]\n: 1", "a key that is no plain word"),
    "two documents": ("--- {}\n--- {}", "not YAML"),
    "no YAML": ("a: [1", "not YAML"),
    "not UTF-8": (b"run_dir: \xff", "not UTF-8"),
    "control characters": (b"run_dir: a\x1bb", "not YAML"),
}


@pytest.mark.parametrize(("content", "said"), REFUSED.values(), ids=REFUSED)
def test_a_file_that_is_not_taken_is_refused_on_a_line(content: str | bytes, said: str, tmp_path: Path) -> None:
    with pytest.raises(UnreadableError) as caught:
        yaml_text(content)
    assert said in str(caught.value)
    assert str(caught.value).isprintable()
    file = tmp_path / "x.yaml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigError, match=r"x\.yaml: "):
        nested.load(file)


def test_what_configs_hold_is_read_as_before() -> None:
    text = "a: 1\nb: 1e-3\nc: [true, null, ~, .inf]\nd: {e: 'x', f: 0x10}\ng: &g {h: 1}\ni: {<<: *g, j: 2}\nk: *g\n"
    assert yaml_text(text) == yaml.safe_load(text)
    assert yaml_text("") is None


def test_a_date_stays_the_text_it_is_written_as() -> None:
    assert yaml_text("run_dir: 2024-05-06") == {"run_dir": "2024-05-06"}
    assert read(TrainSettings, [], ["run_dir=2024-05-06"]).run_dir == "2024-05-06"
    with pytest.raises(ConfigError, match=r"seed: .*integer.* \(got '2024-05-06'\)"):
        read(TrainSettings, [], ["seed=2024-05-06", "run_dir=x"])


@pytest.mark.parametrize("text", ["[" * 100_000, "9" * 5000, "{", "\x1b", b"\xff"])
def test_json_that_is_not_taken(text: str | bytes) -> None:
    with pytest.raises(UnreadableError) as caught:
        json_text(text)
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
def test_a_word_that_is_no_setting_is_refused_on_a_short_line(word: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(TrainSettings, [], [word, "run_dir=x"])
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("values", [None, [], "x", 3])
def test_settings_that_are_no_mapping_are_refused(values: object) -> None:
    with pytest.raises(ConfigError, match="mapping"):
        check(TrainSettings, values)
