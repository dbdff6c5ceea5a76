"""Which of a shard job's settings shape its shards, and are written down with them."""

from typing import Any

from cartoon_dist import nested
from cartoon_dist.shard_settings import ShardSettings

RUN_ONLY = frozenset({"num_workers", "max_broken"})
"""Settings that say how a job runs and leave the shards' bytes as they are."""
ADDED = {"damaged": "skip"}
"""Settings that came later, and what was done before: then they are left out, so that folders of before go on."""


def shaping_settings(settings: ShardSettings) -> dict[str, Any]:
    """The settings by which shards differ, as plain values."""
    values = nested.plain(settings)
    return {key: value for key, value in values.items() if key not in RUN_ONLY and ADDED.get(key) != value}
