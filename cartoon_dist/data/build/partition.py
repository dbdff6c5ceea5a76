"""A shard job divided into slices, one for each of several machines that write to one folder."""

import re
from dataclasses import dataclass

from cartoon_dist.errors import ConfigError

_SPELLED = re.compile(r"([1-9]\d*)/([1-9]\d*)")


@dataclass(frozen=True)
class Slice:
    """The `number`-th of `of` nearly equal runs of shards, counted from 1 as people do."""

    number: int
    of: int

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    def shards(self, num_shards: int) -> range:
        """The numbers of its shards. They are neighbours, so that the frames of a video are read by few machines."""
        return range(num_shards * (self.number - 1) // self.of, num_shards * self.number // self.of)


def parse_slice(text: str) -> Slice:
    """Parse a slice such as `3/8`; ConfigError for anything else."""
    spelled = _SPELLED.fullmatch(text)
    parsed = Slice(int(spelled[1]), int(spelled[2])) if spelled else None
    if parsed is None or parsed.number > parsed.of:
        raise ConfigError(f"slice: {text!r} is none; give which of how many, from 1/8 to 8/8")
    return parsed
