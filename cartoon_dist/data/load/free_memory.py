"""How much memory a process may still take: what the system has, and what its control groups leave it."""

from pathlib import Path

_UNLIMITED = 2**60
"""Version 1 of control groups writes a number of this kind where there is no limit."""


def free_bytes(root: Path = Path("/")) -> int | None:
    """Bytes that can still be taken without others being pushed out; None where the system does not say (macOS,
    Windows).

    The least of what the system has available and what is left in each control group that this process is in, of a
    container or of a Slurm job. Cached files of a group count as free: the system drops them. root: where /proc and
    /sys are.
    """
    try:
        lines = (root / "proc/meminfo").read_text().splitlines()
        available = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError):
        return None
    return max(0, min([available, *_left_in_groups(root)]))


def _left_in_groups(root: Path) -> list[int]:
    """What is left of each limit on this process."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    left = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            left += _left_on_the_way(root / "sys/fs/cgroup", path, "memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            left += _left_on_the_way(root / "sys/fs/cgroup/memory", path, *names)
    return left


def _left_on_the_way(top: Path, path: str, limit: str, used: str, cached: str) -> list[int]:
    """For a group and those around it. In a container its own group may lie at the top, whatever its path says."""
    group = top / path.lstrip("/")
    found = []
    for folder in (group, *(parent for parent in group.parents if parent.is_relative_to(top))):
        try:
            most, taken = int((folder / limit).read_text()), int((folder / used).read_text())
            statistics = (folder / "memory.stat").read_text().splitlines()
        except (OSError, ValueError):  # no such group, or `max`
            continue
        if most < _UNLIMITED:
            dropped = (int(line.split()[1]) for line in statistics if line.split()[0] == cached)
            found.append(most - taken + next(dropped, 0))
    return found
