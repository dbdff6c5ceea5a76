"""Prints as JSON what the checks of a step find by planted fault; a process of its own, as a device is made for it."""

import json
import sys
from collections.abc import Callable
from functools import partial

from cartoon_dist.capture import fake_device
from cartoon_dist.capture.checks import on_fake_device, repeated, replayed
from cartoon_dist.commands.check_capture import built
from cartoon_dist.config.train import CaptureSettings
from cartoon_dist.train.engine import Engine
from cartoon_dist.train.loop import TrainingStep
from tests.capture import faults
from tests.capture.capturing import batch, settings

SMALL = settings("ressal_cbam")
FROZEN = ("freezes_a_number", "replaces_a_tensor")


def main() -> None:
    """By fault and check, the lines that are named."""
    assert not fake_device.available()
    found = {}
    for plant in (lambda _: None, *(value for value in vars(faults).values() if is_fault(value))):
        make = partial(planted, plant)
        engines = [Engine(precision="fp32", clip=None, recordable=recordable) for recordable in (False, True, True)]
        batches = [batch(number) for number in range(5)]
        name = plant.__name__
        found[name] = {"fake device": [] if name in FROZEN else on_fake_device(make, "gan", batches[0], None).faults}
        if name in FROZEN or name == "<lambda>":
            found[name]["replayed"] = replayed(make, engines[0], engines[1], "gan", batches, "iteration").faults
            found[name]["repeated"] = repeated(make, engines[2], "gan", batches).faults
    sys.stdout.write(json.dumps(found))


def is_fault(value: object) -> bool:
    """Whether it is one of the functions that plant one."""
    return callable(value) and getattr(value, "__module__", "") == faults.__name__ and not isinstance(value, type)


def planted(plant: Callable[[TrainingStep], None], engine: Engine, capture: CaptureSettings) -> TrainingStep:
    """The step with the fault."""
    made = built(SMALL, engine, capture)
    plant(made)
    return made


if __name__ == "__main__":
    main()
