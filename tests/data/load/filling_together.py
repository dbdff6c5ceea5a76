"""Two processes that decode into one memory, started by test_fill.py."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import torch.distributed as dist

from cartoon_dist.data.load import fill as filling
from cartoon_dist.data.load.fill import PieceDecoder, fill
from cartoon_dist.data.load.kept import Streams, read_kept
from cartoon_dist.data.load.loader_workers import LoaderWorkers
from cartoon_dist.data.load.node_memory import NodeMemory
from cartoon_dist.distributed import collectives
from cartoon_dist.errors import ShardError
from tests.data.load.keeping import NUM_STEPS, decoded, differing, mapped_files, streams, workers

DECODED: list[int] = []


class Counted(PieceDecoder):
    """Notes how many samples this process is to decode."""

    def __init__(self, both: Streams, pieces: Sequence[tuple[int, range]], memory: NodeMemory) -> None:
        super().__init__(both, pieces, memory)
        DECODED.append(sum(len(indices) for _, indices in pieces))


def main(folder: Path, out: Path, num_workers: int, *, lost: bool) -> None:
    """Leave what was found as JSON, a file a process."""
    both = streams(folder)
    found: dict[str, object] = {}
    with workers(32, num_workers) as these:
        collectives.init_process_group()
        collectives.all_gather(0)
        if lost:
            # Both have opened nothing yet; the first piece of cartoons is the other process's.
            (folder / "cartoons/cartoon-000000.tar").unlink(missing_ok=True)
        try:
            found = compared(both, these)
        except ShardError as error:
            found["error"] = str(error)
    (out / f"{dist.get_rank()}.json").write_text(json.dumps(found))
    collectives.destroy_process_group()


def compared(both: Streams, these: LoaderWorkers) -> dict[str, object]:
    """Which file both map, how many samples each decoded, and which sides of batches are not the decoded ones."""
    rank = dist.get_rank()
    filled = fill(both, these)
    [line] = mapped_files()
    kept = read_kept(both, filled.sides, filled.problems)
    apart = [
        (step, name)
        for step in range(NUM_STEPS)
        for name in differing(
            decoded(kept, step, rank=rank, world_size=2).batch, decoded(both, step, rank=rank, world_size=2).batch
        )
    ]
    return {"file": line.split()[3:5], "differing": apart, "decoded": collectives.all_gather(DECODED[0])}


if __name__ == "__main__":
    filling.PieceDecoder = Counted  # type: ignore[misc, assignment]
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), lost=sys.argv[4:] == ["lost"])
