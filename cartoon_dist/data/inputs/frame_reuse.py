"""The frames that stand for a film in a job: those of before where its folder knows the film, or chosen anew."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path

from cartoon_dist.config.shards import ShardSettings
from cartoon_dist.data.inputs.sources import FramesOf, Shot


def frames_chooser(
    settings: ShardSettings, known: Callable[[], Mapping[tuple[str, int], Sequence[Shot]]], *, shown: bool
) -> FramesOf:
    """What chooses a film's frames. known: the frames of films by name and size in bytes; asked at the first film, as
    the record of a large job takes seconds to read."""
    known = cache(known)

    def frames_of(path: Path, name: str) -> Sequence[Shot]:
        found = known().get((name, path.stat().st_size))
        if found:
            return found
        # Imported here: most jobs read no video.
        from cartoon_dist.data.inputs.frame_selection import Rules, choose_frames

        rules = Rules(damaged=settings.damaged, max_broken=settings.max_broken)
        bits, num_threads = settings.duplicate_bits, settings.num_workers or 0
        return choose_frames(path, settings.video, rules, duplicate_bits=bits, num_threads=num_threads, shown=shown)

    return frames_of
