"""Every variant of the paper trains: the rows of Table 1 as their configs say, and the wirings left open."""

from pathlib import Path

import cv2
import pytest

from cartoon_dist.commands.train import main
from tests.running import ROOT, metrics

pytestmark = pytest.mark.slow

CHEAP = ["loss.content.network=vgg16", "loss.content.layer=conv1_1", "warmup.steps=1", "max_steps=3"]


def trained(shards: Path, run: Path, *more: str | Path) -> list[str]:
    """Three steps of a variant; the names of the last record."""
    folders = [f"data.photos={shards / 'photos'}", f"data.cartoons={shards / 'cartoons'}", f"run_dir={run}"]
    files = [ROOT / "tests/tiny.yaml", *(path for path in more if isinstance(path, Path))]
    settings = [word for word in more if isinstance(word, str)]
    weights = f"weights_folder={ROOT / 'weights'}"
    assert main([*map(str, files), *folders, weights, *CHEAP, *settings]) == 0
    return list(metrics(run)[-1])


@pytest.mark.parametrize("row", ["cartoongan", "sal", "sal_cbam", "ressal_cbam"])
def test_rows_of_table_1(shards: Path, tmp_path: Path, row: str) -> None:
    names = trained(shards, tmp_path, ROOT / f"configs/ablation/{row}.yaml")
    assert {"loss/adversarial_g", "loss/adversarial_d", "loss/content"} <= set(names)
    assert ("loss/saliency" in names) is (row != "cartoongan")
    columns = 3 if row == "cartoongan" else 4
    assert cv2.imread(str(tmp_path / "samples/step-0000003.png")).shape[1] == columns * 32
    expected = 10.0 if row == "cartoongan" else 0.25
    assert metrics(tmp_path)[-1]["weight/content"] == expected


@pytest.mark.parametrize(
    "setting",
    [
        "model.residual=identity",
        "model.joints=detached",
        "upsample=resize",
        "data.flip=false",
        "weights=raw",
        "loss.content.vgg_input=caffe",
        "warmup.steps=0",
        "ema=0",
    ],
)
def test_settings_that_change_the_step(shards: Path, tmp_path: Path, setting: str) -> None:
    assert "loss/saliency" in trained(shards, tmp_path, setting)
