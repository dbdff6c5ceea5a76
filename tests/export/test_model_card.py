"""The card beside an export."""

from pathlib import Path

from cartoon_dist.export.exporter import Comparison
from cartoon_dist.export.model_card import render_card
from cartoon_dist.files.bounded import sha256_of
from tests.export.test_exporter import made

SCORE = {
    "metric": "fid",
    "value": 171.23456,
    "step": 3,
    "num_generated": 26,
    "num_real": 166,
    "features": "inception",
    "protocol": {"weights": "ema"},
}
LABELS = SCORE | {"metric": "saliency_l1_train", "value": 0.0871, "protocol": {"constant_map": 0.247}}


def text(tmp_path: Path, *words: str, scores: tuple[dict[str, object], ...] = (), licence: str = "") -> str:
    out = tmp_path / "hayao.onnx"
    out.write_bytes(b"weights")
    same = Comparison(difference=2.5e-6, sizes=((64, 64), (32, 20)))
    return render_card(made(*words), out, same, scores=scores, pictures_licence=licence)


def test_it_says_what_a_user_asks(tmp_path: Path, shards: Path) -> None:
    folders = [f"data.photos={shards / 'photos'}", f"data.cartoons={shards / 'cartoons'}"]
    card = text(tmp_path, "batch_size=8", *folders, scores=(SCORE, LABELS), licence="CC-BY-4.0")
    for wanted in (
        sha256_of(tmp_path / "hayao.onnx"),
        "step 3, the running average",
        "| images seen | 24 |",
        "64 x 64 and 20 x 32: the drawings differ by at most 2.5e-06",
        "cartoon-dist cartoonize hayao.onnx",
        "| `batch_size` | 8 | 4 |",
        "| 3 | `fid` | 171.2 | 26 against 166 | inception | ema |",
        "0.0871 (constant map 0.247)",
        "trained on: CC-BY-4.0",
        "vgg19",
        "24 pictures",
        "22 pictures",
    ):
        assert wanted in card, wanted
    assert str(tmp_path) not in card


def test_it_says_what_is_not_known(tmp_path: Path) -> None:
    plain = ["loss.content.weight=0", "warmup.loss=pixel", "model.saliency=none", "model.attention=none"]
    card = text(tmp_path, "data.photos=/nowhere/p", *plain)
    assert "not known: the shards were not at hand" in card
    assert "Not scored" in card
    assert "trained on: not stated" in card
    assert "vgg" not in card.split("## Licences")[1]
    assert "barrier" not in card
    assert "/nowhere" not in card


def test_tables_are_whole(tmp_path: Path) -> None:
    blocks = text(tmp_path, scores=(SCORE,)).split("\n\n")
    tables = [block.splitlines() for block in blocks if block.startswith("|")]
    assert len(tables) == 4
    for table in tables:
        assert len({line.count("|") for line in table}) == 1


def test_markup_in_names_is_escaped(tmp_path: Path) -> None:
    out = tmp_path / "a b`$(x)`<script>*\x1b[2J\u202e.onnx"
    out.write_bytes(b"weights")
    same = Comparison(difference=0.0, sizes=((64, 64),))
    odd = SCORE | {"metric": "a`b\n|", "features": "<img src=x>\n# b", "step": "[x](y)", "num_real": "<b>"}
    card = render_card(made("model.joints=detached"), out, same, scores=(odd,), pictures_licence="")
    assert card.replace("\n", "").isprintable()
    for wanted in (
        r"# a b\`$(x)\`\<script\>\*\\x1b[2J\\u202e.onnx",
        r"cartoon-dist cartoonize 'a b`$(x)`<script>*\x1b[2J\u202e.onnx' PHOTOS",
        r"| \[x](y) | `a'b\n\|` | 171.2 | 26 against \<b\> | \<img src=x\>\\n# b | ema |",
    ):
        assert wanted in card, wanted
