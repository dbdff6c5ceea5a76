"""A folder of pictures against another: torch-fidelity's own numbers, to the bit."""

import json
from pathlib import Path

import cv2
import pytest
import torch
import torch_fidelity

from cartoon_dist.commands import fid
from cartoon_dist.config.reading import read
from cartoon_dist.config.train import TrainSettings
from cartoon_dist.errors import ConfigError, PictureError
from cartoon_dist.metrics.features import Extractor, load_inception
from cartoon_dist.metrics.folders import PictureFolder, score_folders
from tests.metrics.test_features import CPU, LAYER, SIZES, pictures
from tests.running import ROOT


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    """The pictures of test_features.py as PNGs."""
    for kind in SIZES:
        (tmp_path / kind).mkdir()
        for index, picture in enumerate(pictures(kind)):
            pixels = picture.permute(1, 2, 0).numpy()[..., ::-1]
            cv2.imwrite(str(tmp_path / kind / f"{index:02d}.png"), pixels)
    return {kind: tmp_path / kind for kind in SIZES}


@pytest.mark.slow
def test_folders_have_the_references_distance(
    folders: dict[str, Path],
    weights: Path,
    tmp_path: Path,
) -> None:
    settings = read(TrainSettings, [], ["score.batch_size=4", f"data.cache={tmp_path / 'cache'}"], run_dir="none")
    warnings: list[str] = []
    (folders["real"] / "p.psd").touch()
    extractor = load_inception(weights, CPU, layer=LAYER)
    scores = score_folders(folders["generated"], folders["real"], settings, extractor, warn=warnings.append)
    values = {score.metric: score.value for score in scores}
    expected = torch_fidelity.calculate_metrics(
        input1=str(folders["generated"]),
        input2=str(folders["real"]),
        fid=True,
        kid=True,
        prc=True,
        feature_extractor="inception-v3-compat",
        feature_layer_fid=LAYER,
        feature_layer_kid=LAYER,
        feature_layer_prc=LAYER,
        kid_subset_size=min(SIZES.values()),
        feature_extractor_weights_path=str(weights),
        cuda=False,
        save_cpu_ram=True,
        batch_size=4,
        verbose=False,
    )
    assert values["fid"] == expected["frechet_inception_distance"]
    assert values["kid"] == expected["kernel_inception_distance_mean"]
    assert (values["precision"], values["recall"]) == (expected["precision"], expected["recall"])
    assert warnings == [f"{folders['real']}: not taken: 1 .psd"]
    assert (scores[0].num_generated, scores[0].num_real) == (7, 9)


def test_the_command(folders: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if not (ROOT / "weights/efficientnet-lite0-57934424.pth").exists():
        pytest.skip("weights/ lacks efficientnet_lite0; make weights fetches it")
    words = ["score.features=efficientnet_lite0", f"weights_folder={ROOT / 'weights'}", f"data.cache={tmp_path}"]
    out = tmp_path / "scores.json"
    assert fid.main([str(folders["generated"]), f"against={folders['real']}", f"out={out}", *words]) == 0
    assert "frechet_efficientnet_lite0 " in capsys.readouterr().out
    scores = json.loads(out.read_text())
    assert [score["metric"] for score in scores][:2] == [
        "frechet_efficientnet_lite0",
        "frechet_efficientnet_lite0_floor",
    ]
    assert scores[0]["protocol"]["standard_error"] > 0


def test_sizes_that_differ_and_empty_folders_are_named(folders: dict[str, Path], tmp_path: Path) -> None:
    other = folders["real"] / "03.png"
    cv2.imwrite(str(other), cv2.imread(str(other))[:, :40])
    with pytest.raises(PictureError, match=r"03\.png: is 40 x 48, 00\.png 48 x 48"):
        PictureFolder(folders["real"]).pictures(range(5))
    (tmp_path / "empty").mkdir()
    for folder in ("empty", "nowhere"):
        with pytest.raises(PictureError, match=r"no pictures in it|no such folder"):
            PictureFolder(tmp_path / folder)


def test_a_folder_inside_the_other_is_refused(folders: dict[str, Path]) -> None:
    inner = folders["real"] / "drawings"
    folders["generated"].rename(inner)
    settings = read(TrainSettings, [], [], run_dir="none")
    extractor = Extractor(
        kind="inception",
        layer=LAYER,
        weights_sha256="",
        resize="",
        device=CPU,
        extract=lambda pictures: pictures.float(),
    )
    for pair in ((inner, folders["real"]), (folders["real"], inner)):
        with pytest.raises(ConfigError, match=r"drawings: is inside .*real, so its pictures would be on both sides"):
            score_folders(*pair, settings, extractor, warn=print)


def test_what_is_no_folder_of_pictures_is_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    (folders["real"] / "p.psd").touch()
    assert PictureFolder(folders["real"]).ignored.in_words() == "not taken: 1 .psd"
    (tmp_path / "a.tar").touch()
    with pytest.raises(PictureError, match=r"a\.tar: is a tar; unpack it with"):
        PictureFolder(tmp_path / "a.tar")


def test_a_fingerprint_is_of_bytes_and_their_order(folders: dict[str, Path]) -> None:
    before = PictureFolder(folders["real"]).fingerprint()
    assert PictureFolder(folders["real"]).fingerprint() == before
    (folders["real"] / "00.png").rename(folders["real"] / "zz.png")
    assert PictureFolder(folders["real"]).fingerprint() != before
    assert torch.equal(PictureFolder(folders["real"]).pictures([0]), pictures("real")[1:2])


def test_a_picture_that_is_not_whole_is_named(folders: dict[str, Path], capfd: pytest.CaptureFixture[str]) -> None:
    whole = cv2.imencode(".jpg", cv2.imread(str(folders["real"] / "03.png")))[1].tobytes()
    (folders["real"] / "02.jpg").write_bytes(whole[: len(whole) * 3 // 4] + b"\xff\xd9")
    with pytest.raises(PictureError, match=r"02\.jpg: the JPEG file is damaged \(premature end of data"):
        PictureFolder(folders["real"]).pictures(range(4))
    with (folders["real"] / "00.png").open("r+b") as file:
        file.truncate(1 << 42)
    with pytest.raises(PictureError, match=r"00\.png: cannot be read .4,398,047 MB are more than"):
        PictureFolder(folders["real"])
    assert capfd.readouterr() == ("", "")
