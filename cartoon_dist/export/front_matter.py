"""The head of a model card that a hub reads: YAML between two lines of `---`, by which models are found and listed.

Its keys: https://huggingface.co/docs/hub/model-cards#model-card-metadata
"""

import yaml

from cartoon_dist.config.train import TrainSettings

OTHER_LICENCE = "other"
"""The hub's word for a licence that is not in its list; the card's own words then say what binds the weights."""
_TAGS = ("cartoon-dist", "cartoon", "gan", "style-transfer", "image-to-image")


def render_front_matter(settings: TrainSettings, *, licence: str) -> str:
    """The head of a card, with the licence of the weights as the hub names it: `mit`, `cc-by-4.0`, `other`."""
    values: dict[str, object] = {"license": licence}
    if licence == OTHER_LICENCE:
        values["license_name"] = "see-the-licences-in-this-card"
    values |= {
        "library_name": "cartoon-dist",
        "pipeline_tag": "image-to-image",
        "tags": [*_TAGS, settings.method],
    }
    return f"---\n{yaml.safe_dump(values, sort_keys=False, allow_unicode=True)}---"
