"""Which of a shard job's settings shape its shards, and are written down with them."""

from typing import Any

from cartoon_dist.config import overrides
from cartoon_dist.config.shards import ShardSettings

RUN_ONLY = frozenset({"num_workers", "max_broken"})
"""Settings that say how a job runs and leave the shards' bytes as they are."""
LATER_SETTINGS = {"damaged": "skip"}
"""Settings that came later, and what was done before: then they are left out, so that folders of before go on."""


def output_settings(settings: ShardSettings) -> dict[str, Any]:
    """The settings by which shards differ, as plain values."""
    values = overrides.to_dict(settings)
    return {key: value for key, value in values.items() if key not in RUN_ONLY and LATER_SETTINGS.get(key) != value}
