"""Named spans in a profile of a training step."""

from contextlib import AbstractContextManager, nullcontext

from torch.autograd import profiler


def span(name: str) -> AbstractContextManager[object]:
    """A span of torch.profiler while one runs; otherwise nothing, so that a recorded step is free of it."""
    return profiler.record_function(name) if profiler._is_profiler_enabled else nullcontext()
