"""The frames of a video in a job: those of an earlier run when the folder's job.json has them, or chosen now."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path

from cartoon_dist.config.shards import ShardSettings
from cartoon_dist.data.inputs.sources import ChosenFrame, FrameChooser


def make_frame_chooser(
    settings: ShardSettings, known: Callable[[], Mapping[tuple[str, int], Sequence[ChosenFrame]]], *, shown: bool
) -> FrameChooser:
    """A function that chooses a video's frames. `known` returns the frames of videos by name and size in bytes; it is
    called at the first video, as the record of a large job takes seconds to read."""
    known = cache(known)

    def choose(path: Path, name: str) -> Sequence[ChosenFrame]:
        frames = known().get((name, path.stat().st_size))
        if frames:
            return frames
        # Imported here: most jobs read no video.
        from cartoon_dist.data.inputs.frame_selection import DamagePolicy, choose_frames

        policy = DamagePolicy(damaged=settings.damaged, max_broken=settings.max_broken)
        bits, num_threads = settings.duplicate_bits, settings.num_workers or 0
        return choose_frames(path, settings.video, policy, duplicate_bits=bits, num_threads=num_threads, shown=shown)

    return choose
