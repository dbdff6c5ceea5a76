"""Spans show in a profile, and cost nothing outside of one."""

from contextlib import nullcontext

import torch
from torch.profiler import ProfilerActivity, profile

from cartoon_dist.profiling import span
from tests.capture.capturing import PLAIN, run_step, settings, training_step


def test_a_step_is_profiled_by_its_parts_and_equations() -> None:
    step = training_step(settings("ressal_cbam"), PLAIN)
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        run_step(step, 0)
    names = [event.name for event in profiled.events()]
    parts = ["G forward", "discriminator losses", "discriminator backward", "discriminator optimizer"]
    parts += ["generator losses", "generator backward", "generator optimizer", "EMA"]
    assert [name for name in names if name in parts] == parts
    equations = ["Eq 8 adversarial", "Eq 7 adversarial", "Eq 9 content", "Eq 10 saliency"]
    assert [name for name in names if name in equations] == equations


def test_without_a_profiler_there_is_no_span() -> None:
    assert isinstance(span("G forward"), nullcontext)
    with profile(activities=[ProfilerActivity.CPU]), span("G forward") as entered:
        assert isinstance(entered, torch.profiler.record_function)
    assert isinstance(span("G forward"), nullcontext)
