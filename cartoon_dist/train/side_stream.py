"""A CUDA stream beside the one that computes: what is issued on it runs while the other goes on."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


class SideStream:
    """Work beside the computing stream: `fork` issues it there, `join` makes the computing stream wait for all of it.

    On other devices, or with used=False, nothing runs beside: what is issued in `fork` follows what was issued before.
    Within a recording of a CUDA graph both become edges of the graph: by waiting for a recorded stream the side stream
    is drawn into the recording, which may not end before all that was drawn in is joined.
    """

    def __init__(self, device: torch.device, *, used: bool = True) -> None:
        # Of high priority, so that a message does not queue behind convolutions that were issued before it. Such
        # streams come from a pool of their own: this one is never one of those that recordings and plain steps run on.
        self.stream = torch.cuda.Stream(device, priority=-1) if used and device.type == "cuda" else None
        self.awaited: set[torch.cuda.Stream] = set()
        self.forked_from: set[torch.cuda.Stream] = set()

    def await_current(self) -> None:
        """The next `fork` is to wait for what the current stream was given up to then. The backward's hooks run on the
        streams of their forwards: all of them are waited for, and not only the last one's."""
        if self.stream is not None:
            self.awaited.add(torch.cuda.current_stream(self.stream.device))

    @contextmanager
    def fork(self) -> Iterator[None]:
        """Issue what follows beside the current stream, after what it and the awaited streams were given so far."""
        if self.stream is None:
            yield
            return
        self.await_current()
        # Before anything is allocated or issued there: only a stream that was drawn into the recording gets its memory
        # from the recording's pool.
        for stream in self.awaited:
            self.stream.wait_stream(stream)
        self.forked_from |= self.awaited
        self.awaited.clear()
        with torch.cuda.stream(self.stream):
            yield

    def join(self) -> None:
        """Let the current stream wait for all that was issued beside; nothing where nothing was.

        Also the other streams that were forked from: what they made and we read goes back to their memory. The current
        stream waits for them again, as a recording may not end before.
        """
        if self.stream is not None and self.forked_from:
            current = torch.cuda.current_stream(self.stream.device)
            for stream in self.forked_from - {current}:
                stream.wait_stream(self.stream)
                current.wait_stream(stream)
            current.wait_stream(self.stream)
        self.awaited.clear()
        self.forked_from.clear()
