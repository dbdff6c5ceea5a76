"""Where decoded samples are kept: what fits, what was asked for, and what is said of it."""

import pytest

from cartoon_dist.errors import ConfigError
from cartoon_dist.train.keep_choice import Keep, Place, Room, choose_place, describe_choice

GIB = 2**30


def room(num_bytes: int, *, host: int | None, device: int | None = None) -> Room:
    return Room(num_bytes=num_bytes, on_cpu=device is None, host=host, device=device or 0)


@pytest.mark.parametrize(
    ("found", "place"),
    [
        (room(3 * GIB, host=6 * GIB), "host"),
        (room(3 * GIB, host=6 * GIB - 1), "none"),
        (room(3 * GIB, host=None), "none"),
        (room(3 * GIB, host=6 * GIB, device=6 * GIB), "device"),
        (room(3 * GIB, host=6 * GIB, device=6 * GIB - 1), "host"),
        (room(3 * GIB, host=5 * GIB, device=60 * GIB), "none"),  # it is decoded into host memory first
    ],
)
def test_auto_takes_what_fits(found: Room, place: Place) -> None:
    assert choose_place("auto", found) == place


@pytest.mark.parametrize("keep", ["host", "device"])
def test_what_was_asked_for_is_taken_up_to_all_that_is_free(keep: Keep) -> None:
    assert choose_place(keep, room(3 * GIB, host=3 * GIB, device=3 * GIB)) == keep
    assert choose_place(keep, room(3 * GIB, host=None, device=3 * GIB)) == keep
    words = rf"data\.keep={keep}: 3\.00 GiB of decoded pictures do not fit into the 2\.00 GiB of host memory"
    with pytest.raises(ConfigError, match=words):
        choose_place(keep, room(3 * GIB, host=2 * GIB, device=9 * GIB))


def test_a_device_without_room_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"the 2\.00 GiB of device memory that are free; use data\.keep=auto"):
        choose_place("device", room(3 * GIB, host=9 * GIB, device=2 * GIB))
    assert choose_place("host", room(3 * GIB, host=9 * GIB, device=2 * GIB)) == "host"


def test_a_device_is_a_gpu() -> None:
    with pytest.raises(ConfigError, match=r"data\.keep=device: this run computes on a CPU; use data\.keep=host"):
        choose_place("device", room(1, host=9))


def test_one_line_says_what_was_taken_and_how_many_bytes() -> None:
    small = room(3 * GIB, host=8 * GIB, device=10 * GIB)
    assert describe_choice("auto", "device", small) == (
        "data.keep=auto: device, on each GPU: 3.00 GiB (3,221,225,472 bytes) of decoded pictures; "
        "8.00 GiB of host memory free, 10.00 GiB of the GPU"
    )
    assert describe_choice("host", "host", room(GIB, host=None)) == (
        "data.keep=host: host, one copy a node: 1.00 GiB (1,073,741,824 bytes) of decoded pictures; "
        "an unknown number of GiB of host memory free"
    )
    assert describe_choice("auto", "none", room(9 * GIB, host=8 * GIB)) == (
        "data.keep=auto: nothing is kept: 9.00 GiB (9,663,676,416 bytes) of decoded pictures are too many beside "
        "8.00 GiB of host memory free, of which at most 50 % are taken"
    )
