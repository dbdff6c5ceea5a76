"""Prints as JSON what is found of a step that gathers its batch, looked at as `--check-capture` looks at a step, on a
device that has shapes and no numbers: a process of its own, as a device is made for it. Word: a folder of shards."""

import json
import sys
from pathlib import Path

import torch

from cartoon_dist.capture import captured, fake_device
from cartoon_dist.capture.checks import on_fake_device
from cartoon_dist.commands import check_capture
from cartoon_dist.config.train import CaptureSettings
from cartoon_dist.data.load.kept import kept_shapes
from cartoon_dist.data.load.picks import DeviceGather
from cartoon_dist.tensors import Batch
from cartoon_dist.train.engine import Engine
from cartoon_dist.train.keeping import Kept
from cartoon_dist.train.loop import TrainingStep
from tests.capture.capturing import settings
from tests.data.load.keeping import streams


def main(shards: Path) -> None:
    """The faults, which are none."""
    assert not fake_device.available()
    both = streams(shards, "crop", 16)
    small = settings("ressal_cbam", "image_size=16")

    def make(engine: Engine, how: CaptureSettings) -> TrainingStep:
        shapes = [shape for stream in both for shape in kept_shapes(stream)]
        sides = [torch.zeros(shape, dtype=torch.uint8, device=engine.device) for shape in shapes]
        kept = Kept("device", both, gather=DeviceGather(sides, image_size=16))
        check_capture.capture_phases = lambda *given: kept.wrap(captured.capture_phases(*given))
        return check_capture.built(small, engine, how)

    picks = torch.zeros((4, 4), dtype=torch.int64)
    found = on_fake_device(make, "gan", Batch(picks, picks, picks, picks), clip=5.0)
    sys.stdout.write(json.dumps(found.faults))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
