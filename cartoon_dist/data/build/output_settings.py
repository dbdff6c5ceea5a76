"""Which of a shard job's settings change the bytes of its shards, and so are recorded with them."""

from typing import Any

from cartoon_dist.config import overrides
from cartoon_dist.config.shards import ShardSettings

RUN_ONLY = frozenset({"num_workers", "max_broken"})
"""Settings that say how a job runs and leave the shards' bytes as they are."""
LATER_SETTINGS = {"damaged": "skip"}
"""Settings that were added after the first version, with the value that means the old behaviour. With that value they
are not recorded, so that jobs begun before can go on."""


def output_settings(settings: ShardSettings) -> dict[str, Any]:
    """The settings that change the shards' bytes, as plain values."""
    values = overrides.to_dict(settings)
    return {key: value for key, value in values.items() if key not in RUN_ONLY and LATER_SETTINGS.get(key) != value}
