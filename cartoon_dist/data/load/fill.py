"""Decodes both domains' samples once, into memory that the processes of a node share: each of them takes a part."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cartoon_dist.data.format.reader import SampleError
from cartoon_dist.data.load.kept import Streams, divide, kept_bytes
from cartoon_dist.data.load.loader import DamagedSample
from cartoon_dist.data.load.loader_workers import Buffers, LoaderWorkers, WorkerError
from cartoon_dist.data.load.node_memory import NodeMemory, sharing_group
from cartoon_dist.distributed import collectives
from cartoon_dist.distributed.work_while_waiting import ReportProgress, Waiting, WorkState, work_while_waiting
from cartoon_dist.errors import ConfigError, ShardError

PIECE = 16
"""Samples that a worker decodes at a time."""
POLL_SECONDS = 0.5
"""How often the processes exchange their progress: an error of one ends the wait of all."""
STALL_SECONDS = 900.0
"""How long a process may decode nothing: longer than a loader worker may take for a piece."""
_LABEL = "data.keep: decode"


@dataclass(frozen=True, kw_only=True)
class Filled:
    """Decoded samples: photos, labels, cartoons and smoothed cartoons, (m, size, size, c) each, in shared memory.

    problems: of the photos and of the cartoons, what is wrong with each that is damaged, by its index.
    """

    sides: Sequence[NDArray[np.uint8]]
    problems: tuple[Mapping[int, str], Mapping[int, str]]


def fill(streams: Streams, workers: LoaderWorkers) -> Filled:
    """Decode every sample; waits for the other processes. The memory is free again when its arrays are.

    ConfigError on all processes where memory cannot be shared, ShardError where one of them cannot read a shard, or
    makes no progress.
    """
    groups = collectives.all_gather(sharing_group())
    members = [rank for rank, group in enumerate(groups) if group == groups[collectives.rank()]]
    memory = _shared(members, kept_bytes(streams))
    pieces = _pieces(streams)[members.index(collectives.rank()) :: len(members)]
    num_groups = len(set(groups))

    def shown(states: Sequence[WorkState]) -> tuple[int, str]:
        waiting = [state.process for state in states if not state.is_done]
        done = sum(state.done for state in states) // num_groups
        return done, f"waiting for {waiting[0]}" if len(waiting) < len(states) else ""

    how = Waiting(
        label=_LABEL,
        unit="samples",
        shown=shown,
        poll_seconds=POLL_SECONDS,
        stall_seconds=STALL_SECONDS,
        stalled="has decoded nothing for {}; see whether its storage answers, or use data.keep=none",
        error=ShardError,
        total=sum(len(stream.shards) for stream in streams),
    )
    decoder = PieceDecoder(streams, pieces, memory)
    found = work_while_waiting(lambda report: _decode(decoder, workers, report), how)
    memory.close_address()
    problems: tuple[dict[int, str], dict[int, str]] = ({}, {})
    for damaged in [sample for part in found for sample in part]:
        problems[damaged.domain == "cartoon"][damaged.sample_index] = damaged.problem
    return Filled(sides=divide(memory.bytes(), streams), problems=problems)


class PieceDecoder:
    """What loader workers use: its step k decodes the samples of piece k into the shared memory.

    pieces: for each the number of its domain and the indices of its samples.
    """

    def __init__(self, streams: Streams, pieces: Sequence[tuple[int, range]], memory: NodeMemory) -> None:
        self.streams = streams
        self.pieces = pieces
        self.address = memory.address
        self.sides: list[NDArray[np.uint8]] | None = divide(memory.bytes(), streams)

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "sides": None}  # a worker maps the memory itself

    def read(self, step: int, buffers: Buffers) -> list[DamagedSample] | ShardError:  # noqa: ARG002
        """Decode a piece; the damaged samples in it, or the error of a shard that cannot be read."""
        if self.sides is None:
            memory = NodeMemory.open(self.address, kept_bytes(self.streams))
            self.sides = divide(memory.bytes(), self.streams)
        number, indices = self.pieces[step]
        stream, damaged = self.streams[number], []
        for index in indices:
            try:
                sample = stream.shards.read(index)
            except SampleError as error:
                damaged.append(DamagedSample(stream.shards.domain, index, str(error)))
            except ShardError as error:
                return error
            else:
                for pixels, side in zip(sample, self.sides[2 * number : 2 * number + 2], strict=True):
                    side[index] = stream.fit_whole(pixels).reshape(side.shape[1:])
        return damaged


class _Nothing:
    """What loader workers hold when nothing is to be decoded any more: it maps no memory."""

    def read(self, step: int, buffers: Buffers) -> None:
        """Nothing."""


def _decode(decoder: PieceDecoder, workers: LoaderWorkers, report: ReportProgress) -> list[DamagedSample]:
    """Decode this process's pieces, by its loader workers where they can open the memory; the damaged samples."""
    total, done = sum(len(indices) for _, indices in decoder.pieces), 0
    damaged: list[DamagedSample] = []
    with_workers = workers.num_workers > 0 and decoder.address != ""
    answers: Iterable[object] = (
        (answer for _, answer in workers.read_ahead(decoder, first=0, end=len(decoder.pieces)))
        if with_workers
        else (decoder.read(number, []) for number in range(len(decoder.pieces)))
    )
    try:
        for (_, indices), answer in zip(decoder.pieces, answers, strict=True):
            if isinstance(answer, ShardError):
                raise answer
            assert isinstance(answer, list)
            damaged += answer
            done += len(indices)
            report(done, total)
        if with_workers:
            list(workers.read_ahead(_Nothing(), first=0, end=0))
    except WorkerError as error:
        raise ShardError(
            f"process {collectives.rank()} cannot keep its samples: {error}; see whether memory or storage ran out, "
            "then run the same command again, with data.keep=none if it happens again"
        ) from None
    return damaged


def _shared(members: Sequence[int], num_bytes: int) -> NodeMemory:
    """Memory that the first of these ranks makes and the others open; ConfigError on all where one cannot."""
    leads = members[0] == collectives.rank()
    made, failure = _tried(lambda: NodeMemory.make(num_bytes)) if leads else (None, "")
    addresses = collectives.all_gather(made.address if made else "")
    _raise_any(failure)
    opened, failure = (made, "") if made else _tried(lambda: NodeMemory.open(addresses[members[0]], num_bytes))
    _raise_any(failure)
    assert opened
    return opened


def _tried(get: Callable[[], NodeMemory]) -> tuple[NodeMemory | None, str]:
    try:
        return get(), ""
    except OSError as error:
        return None, error.strerror or repr(error)


def _raise_any(failure: str) -> None:
    failures = collectives.all_gather(failure)
    told = [f"process {rank}: {what}" for rank, what in enumerate(failures) if what]
    if told:
        raise ConfigError(f"data.keep: memory of a node cannot be shared ({told[0]}); use data.keep=none")


def _pieces(streams: Streams) -> list[tuple[int, range]]:
    """All samples of both domains, PIECE of a domain at a time."""
    return [
        (number, range(first, min(first + PIECE, len(stream.shards))))
        for number, stream in enumerate(streams)
        for first in range(0, len(stream.shards), PIECE)
    ]
