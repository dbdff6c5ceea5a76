"""How many cores a process may use: the one place that asks the system."""

import os


def num_usable_cores() -> int:
    """The cores that this process may run on, at least 1.

    On Linux a scheduler or a container may have given it a part of the machine's cores only. Systems that know no such
    part (macOS, Windows) give all.
    """
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1
