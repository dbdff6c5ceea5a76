"""CUDA streams in thought: operations of a CPU, each as if on the stream that is current, checked as a race detector
would.

A clock a stream: an operation knows what came before it on its own stream, and on others what was waited for. Found are
operations on what another stream may still write or read, and memory that the allocator may give away while another
stream still uses it.
"""

import weakref
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode


class Stream:
    """What torch.cuda.Stream does as far as order goes. known: of each stream, how many of its operations are done for
    sure when this one's next begins."""

    def __init__(self, _device: object = None, *, priority: int = 0) -> None:
        self.priority = priority
        self.device = torch.device("cpu")
        self.known: dict[Stream, int] = defaultdict(int)

    def wait_stream(self, other: "Stream") -> None:
        for stream, count in other.known.items():
            self.known[stream] = max(self.known[stream], count)


class Memory:
    """A piece of memory: the stream it was allocated on, and the last operation on it of each stream."""

    def __init__(self, owner: Stream) -> None:
        self.owner = owner
        self.written: dict[Stream, int] = {}
        self.read: dict[Stream, int] = {}


class Streams(TorchDispatchMode):
    """While it is entered, notes operations and what is wrong in `races`. `main` is current at first."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__()
        self.main = self.current = Stream()
        self.memories: dict[int, Memory] = {}
        self.races: list[str] = []
        self.num_on: dict[Stream, int] = defaultdict(int)
        monkeypatch.setattr(torch.cuda, "Stream", Stream)
        monkeypatch.setattr(torch.cuda, "current_stream", lambda _device=None: self.current)
        monkeypatch.setattr(torch.cuda, "stream", self.on)

    @contextmanager
    def on(self, stream: Stream) -> Iterator[None]:
        before, self.current = self.current, stream
        try:
            yield
        finally:
            self.current = before

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        given = {id(leaf): leaf for leaf in pytree.tree_leaves((args, kwargs or {})) if isinstance(leaf, Tensor)}
        written = {
            id(leaf)
            for argument, value in _with_schema(func, args, kwargs or {})
            if argument.alias_info is not None and argument.alias_info.is_write
            for leaf in pytree.tree_leaves(value)
        }
        result = func(*args, **(kwargs or {}))
        if func.is_view:
            return result
        self.current.known[self.current] += 1
        self.num_on[self.current] += 1
        for key, tensor in given.items():
            self._use(tensor, func, writes=key in written)
        for leaf in pytree.tree_leaves(result):
            if isinstance(leaf, Tensor) and id(leaf) not in given:
                self._use(leaf, func, writes=True)
        return result

    def _use(self, tensor: Tensor, func: Any, *, writes: bool) -> None:
        storage = tensor.untyped_storage()
        memory = self.memories.get(storage._cdata)
        if memory is None:
            memory = self.memories[storage._cdata] = Memory(self.current)
            weakref.finalize(storage, self._freed, storage._cdata)
        for stream, count in (memory.written | memory.read if writes else memory.written).items():
            if self.current.known[stream] < count:
                self.races.append(f"{func} on {tuple(tensor.shape)} before another stream was waited for")
        (memory.written if writes else memory.read)[self.current] = self.current.known[self.current]

    def _freed(self, key: int) -> None:
        memory = self.memories.pop(key)
        for used in (memory.written, memory.read):
            for stream, count in used.items():
                if memory.owner.known[stream] < count:
                    self.races.append("memory was given back while another stream may use it")


def _with_schema(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Iterator[tuple[Any, Any]]:
    """Each argument's description with what was given for it."""
    for index, argument in enumerate(func._schema.arguments):
        if argument.name in kwargs:
            yield argument, kwargs[argument.name]
        elif index < len(args):
            yield argument, args[index]
