"""A shard job in slices, one for each of several machines that write to one folder."""

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
        """The numbers of its shards; neighbours, so that the frames of a film are read by few machines."""
        return range(num_shards * (self.number - 1) // self.of, num_shards * self.number // self.of)


def read_slice(text: str) -> Slice:
    """The slice that `3/8` names; ConfigError for anything else."""
    spelled = _SPELLED.fullmatch(text)
    found = Slice(int(spelled[1]), int(spelled[2])) if spelled else None
    if found is None or found.number > found.of:
        raise ConfigError(f"--slice: {text!r} is none; give which of how many, from 1/8 to 8/8")
    return found
