"""The head of a model card, as the hub's own library reads it."""

from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub import ModelCard, ModelCardData

from cartoon_dist.export.exporter import Comparison
from cartoon_dist.export.front_matter import render_front_matter
from cartoon_dist.export.model_card import render_card
from cartoon_dist.files.json_yaml import parse_yaml
from tests.export.test_exporter import made

KNOWN_TASK = "image-to-image"
"""In the hub's list of pipeline tags."""


@pytest.mark.parametrize("licence", ["other", "mit", "cc-by-4.0", "no"])
def test_the_library_reads_what_was_meant(licence: str) -> None:
    head = render_front_matter(made().settings, licence=licence)
    data = ModelCard(f"{head}\n\n# Hayao\n").data
    assert (data.license, data.library_name, data.pipeline_tag) == (licence, "cartoon-dist", KNOWN_TASK)
    assert {"cartoon-dist", "cartoon", "cartoongan"} <= set(data.tags)
    assert (data.license_name is None) == (licence != "other")
    again = ModelCardData(**data.to_dict())
    assert again.to_dict() == data.to_dict() == parse_yaml(head.strip("-"))


def test_a_whole_card_keeps_its_head_and_its_text(tmp_path: Path) -> None:
    out = tmp_path / "model.safetensors"
    out.write_bytes(b"weights")
    same = Comparison(difference=0.0, sizes=((64, 64),))
    text = render_card(made(), out, same, scores=(), pictures_licence="", licence="mit", name="someone/hayao")
    card = ModelCard(text)
    assert ModelCard(str(card)).content == card.content
    assert card.text.strip().startswith("# someone/hayao")
    assert card.content.count("\n---\n") == 1
    assert 'cartoonize = load("someone/hayao")' in card.text


def test_the_hub_s_checks_that_need_no_hub() -> None:
    """What ModelCard.validate asks the hub: a mapping of known keys, whose values are of the right types."""
    data = ModelCard(render_front_matter(made().settings, licence="other")).data.to_dict()
    known = set(vars(huggingface_hub.ModelCardData()))
    assert set(data) - {"license_name"} <= known
    assert all(isinstance(data[key], str) for key in ("license", "license_name", "library_name", "pipeline_tag"))
    assert all(isinstance(tag, str) and tag == tag.strip().lower() for tag in data["tags"])
    assert data["license_name"] == data["license_name"].lower().replace(" ", "-")
