"""What the measurement of a step uses: processes that step on request, the ceiling, the ratios' direction."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from bench import driven, step
from bench.ceiling import Ceiling
from bench.driven import Driven, answers_of, ranks, settings
from cartoon_dist.cpu import winograd

SMALL = ("model.channels=4", "model.num_blocks=1", "loss.content.layer=conv1_2")


@pytest.mark.slow
def test_processes_step_on_request_alone_and_together() -> None:
    with Driven("undetached", 16, 1, OMP_NUM_THREADS="1") as alone:
        clock, work = answers_of([alone], 2)[0]
    assert clock > 0
    assert work > 0
    first, second = ranks("ours", 16, 1, 2, OMP_NUM_THREADS="1")
    with first, second:
        assert len(answers_of([first, second])) == 2
    assert first.process.returncode == second.process.returncode == 0


def test_the_ceiling_is_the_time_of_the_steps_convolutions() -> None:
    chosen = settings(16, 2, *SMALL)
    ours = winograd.is_faster
    ceiling = Ceiling(driven.our_step(chosen))
    assert winograd.is_faster is ours
    with FlopCounterMode(display=False) as counter:
        driven.textbook_step(chosen, "detached")()
    # G draws once and D's weights get no gradients in G's step.
    assert 0.5 * counter.get_total_flops() < ceiling.flops < counter.get_total_flops()
    clock, work = ceiling.seconds()
    assert clock > 0
    assert work > 0
    assert {call.backward for call in ceiling.counts} == {True, False}


def test_the_flops_are_the_counted_convolutions() -> None:
    ceiling = Ceiling(driven.our_step(settings(16, 1, *SMALL)))
    with FlopCounterMode(display=False) as counter:
        for call, number in ceiling.counts.items():
            operation = torch.ops.aten.convolution_backward if call.backward else torch.ops.aten.convolution
            for _ in range(number):
                operation(*(torch.empty(a) if isinstance(a, torch.Size) else a for a in call.arguments))
    assert counter.get_total_flops() == ceiling.flops


def test_the_larger_ratio_is_the_faster_step() -> None:
    ratios = list(step.wall_and_work([([3.0, 4.0], [2.0, 1.0])] * 3, "made", 1.35, "a made one"))
    assert [(one.name, one.ratio, one.reached) for one in ratios] == [("made", 1.5, True), ("made_work", 4.0, True)]
