"""Where decoded samples are kept: what the setting asks for, or what fits."""

from typing import Literal, NamedTuple

from cartoon_dist.errors import ConfigError

Place = Literal["none", "host", "device"]
Keep = Literal["none", "host", "device", "auto"]
PLACES: tuple[Place, ...] = ("none", "host", "device")
"""In the order in which processes that find different room agree: all take the first."""
SHARE = 0.5
"""`auto` takes at most this share of what is free: other programs, the system's cache of files and what an estimate
misses need the rest."""
_GIB = 2**30


class Room(NamedTuple):
    """What a process finds.

    num_bytes: of the decoded samples. on_cpu: there is no GPU. host: free bytes for them on this node, None where the
    system does not say. device: free bytes of the GPU beside what training is estimated to need.
    """

    num_bytes: int
    on_cpu: bool
    host: int | None
    device: int


def choose_place(keep: Keep, room: Room) -> Place:
    """Where this process would keep them. ConfigError where the place that the user named has no room."""
    if keep != "auto":
        _require(keep, room)
        return keep
    if room.host is None or room.num_bytes > SHARE * room.host:
        return "none"
    # Also what goes to the device is decoded into host memory first.
    return "device" if not room.on_cpu and room.num_bytes <= SHARE * room.device else "host"


def describe_choice(keep: Keep, place: Place, room: Room) -> str:
    """One line: what was taken, how many bytes, and how much was free."""
    free = "an unknown number of" if room.host is None else f"{room.host / _GIB:.2f}"
    found = f"{free} GiB of host memory free" + ("" if room.on_cpu else f", {room.device / _GIB:.2f} GiB of the GPU")
    size = f"{room.num_bytes / _GIB:.2f} GiB ({room.num_bytes:,} bytes) of decoded pictures"
    if place == "none":
        return (
            f"data.keep={keep}: nothing is kept: {size} are too many beside {found}, of which at most "
            f"{100 * SHARE:.0f} % are taken"
        )
    where = "one copy a node" if place == "host" else "on each GPU"
    return f"data.keep={keep}: {place}, {where}: {size}; {found}"


def _require(keep: Place, room: Room) -> None:
    if keep == "none":
        return
    if keep == "device" and room.on_cpu:
        raise ConfigError("data.keep=device: this run computes on a CPU; use data.keep=host, or a GPU")
    for where, free in (("host", room.host), ("device", room.device if keep == "device" else None)):
        if free is not None and room.num_bytes > free:
            raise ConfigError(
                f"data.keep={keep}: {room.num_bytes / _GIB:.2f} GiB of decoded pictures do not fit into the "
                f"{free / _GIB:.2f} GiB of {where} memory that are free; use data.keep=auto or data.keep=none"
            )
