"""The demo, on pictures and networks so small that it takes a minute, and what it calls a success."""

import contextlib
import io
import json
import re
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import torch

from cartoon_dist.commands import demo
from cartoon_dist.errors import ConfigError, TrainingError
from tests.running import ROOT, metrics, train, typed, weights

NEEDED = ROOT / "weights/efficientnet-lite0-57934424.pth"
TINY = ["image_size=32", "batch_size=4", "model.channels=4", "model.num_blocks=1", "loss.content.layer=conv1_2"]
STEPS = ["warmup.steps=3", "max_steps=5", "log_every=1", "sample_every=5", "num_samples=2", "score.subsamples=0"]


def found(distance: float, label: float, constant: float = 0.25) -> dict[str, Any]:
    return {
        "frechet_efficientnet_lite0": {"value": distance},
        "saliency_l1_train": {"value": label, "protocol": {"constant_map": constant}},
        "saliency_l1_test": {"value": 0.3, "protocol": {"constant_map": constant}},
    }


GOOD = {
    "untrained": found(300.0, 0.9),
    "warmed up": found(140.0, 0.1),
    "control: only warmed up, as long": found(120.0, 0.1),
    "trained": found(130.0, 0.1),
}


def test_what_is_a_success() -> None:
    demo.judge(GOOD)  # the control may be better: it is shown, and judged by the reader


@pytest.mark.parametrize(
    ("stage", "held", "message"),
    [
        ("trained", found(140.0, 0.1), "score of 140 is not better than the warmed up one's, 140"),
        ("untrained", found(130.0, 0.9), "not better than the untrained one's"),
        ("trained", found(float("nan"), 0.1), "untrained one's, 300; .* warmed up"),
        ("trained", found(130.0, 0.25), "errs by 0.25 on the photos it learned from, the constant map by 0.25"),
    ],
)
def test_what_is_none(stage: str, held: dict[str, Any], message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        demo.judge(GOOD | {stage: held})


def test_the_table() -> None:
    lines = demo.table(GOOD).splitlines()
    assert len(lines) == 5
    assert re.split(" {2,}", lines[1]) == [
        "untrained",
        "300.0",
        "0.900 (constant map 0.250)",
        "0.300 (constant map 0.250)",
    ]
    columns = {line.index("0.") for line in lines[2:]}
    assert len(columns) == 1


def test_a_demo_with_nothing_after_the_warmup_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="max_steps: the demo compares"):
        demo.run(demo.Places(tmp_path), ["max_steps=3", "warmup.steps=3"])
    assert not list(tmp_path.iterdir())


def test_a_demo_among_its_own_pictures_is_refused() -> None:
    place = ROOT / "shards/samples/photos/demo"
    with pytest.raises(ConfigError, match=r"demo: is inside .*shards/samples/photos, so drawings and samples would be"):
        demo.run(demo.Places(place), [])
    assert not place.exists()


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's folder after its whole run, here with commands that import nothing anew; `make demo` types them."""
    if not NEEDED.exists():
        pytest.skip("weights/ lacks efficientnet_lite0; make weights fetches it")
    folder = tmp_path_factory.mktemp("demo")
    said = io.StringIO()
    with (
        patch.object(demo, "_type", partial(typed, failed="the demo stopped", folder=ROOT)),
        contextlib.redirect_stdout(said),
        contextlib.suppress(TrainingError),  # so little training may or may not score better; the demo says which
    ):
        demo.main([str(folder), *TINY, *STEPS])
    for name in ("untrained", "warmed up", "control", "trained"):
        assert f"\n{name}" in said.getvalue()
    return folder


@pytest.mark.slow
def test_everything_it_makes_is_there(out: Path) -> None:
    samples = sorted(path.name for path in (ROOT / "shards/samples/photos").glob("*.jpg"))
    assert sorted(path.with_suffix(".jpg").name for path in (out / "cartoons").glob("*.png")) == samples
    made = [score["step"] for score in scores(out / "run") if score["metric"] == "frechet_efficientnet_lite0"]
    assert made == [5, 0, 3]
    assert {record["phase"] for record in metrics(out / "run/control")} == {"warmup"}
    page = (out / "run/report.html").read_text()
    for score in scores(out / "run") + scores(out / "run/control"):
        if score["metric"].startswith("frechet"):
            assert f"{score['value']:.4g}" in page


@pytest.mark.slow
def test_the_control_is_the_run_that_only_warms_up(out: Path, tmp_path: Path) -> None:
    """It takes up the run's warm-up in the middle and is, bit for bit, what one long warm-up gives."""
    folders = [f"data.{domain}={out / 'shards' / domain}" for domain in ("photos", "cartoons")]
    words = [ROOT / "configs/demo.yaml", *TINY, *STEPS, *folders, "warmup.steps=5", f"run_dir={tmp_path / 'long'}"]
    done = train([*words, "score_at_end=false"], num_processes=2)
    assert done.returncode == 0, done.stderr
    control, long = weights(out / "run/control", 5), weights(tmp_path / "long", 5)
    assert control.keys() == long.keys()
    assert all(torch.equal(control[name], long[name]) for name in control)


def scores(run: Path) -> list[dict[str, Any]]:
    held: list[dict[str, Any]] = json.loads((run / "scores.json").read_text())
    return held
