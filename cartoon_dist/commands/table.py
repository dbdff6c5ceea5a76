"""`launch/table.py`: every row of the paper's tables trained and scored the same way, then both tables."""

import argparse
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from cartoon_dist.commands import run_subprocess
from cartoon_dist.commands.main import EXIT_DONE
from cartoon_dist.commands.run_subprocess import ROOT
from cartoon_dist.commands.train import read_settings
from cartoon_dist.config.cluster import ClusterSettings
from cartoon_dist.config.command_line import add_renamed, key_of, parse, read_words, split, warn_of_renamed
from cartoon_dist.config.commands import TableSettings
from cartoon_dist.config.fields import DeviceName
from cartoon_dist.config.reading import read
from cartoon_dist.config.train import TrainSettings
from cartoon_dist.config.validation_errors import setting_paths
from cartoon_dist.console.messages import print_message
from cartoon_dist.data.format.manifest import MANIFEST
from cartoon_dist.data.inputs.search import require_outside
from cartoon_dist.data.remote.fetch import is_remote
from cartoon_dist.errors import ConfigError
from cartoon_dist.files.bounded import MAX_TEXT_BYTES, read_regular_text
from cartoon_dist.metrics import score_file
from cartoon_dist.runs import checkpoint
from cartoon_dist.runs.layout import RunFolder, config_text
from cartoon_dist.tables.paper_rows import collect_results, write_tables
from cartoon_dist.tables.paper_tables import ROWS, PaperRow

_type = partial(run_subprocess.run, failed="the tables are not done")
SHARDS = "shards."


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be in the tables. runs: rows with their seeds, in the order of training. shared: config files and
    settings that all rows get alike."""

    out: Path
    runs: tuple[tuple[PaperRow, int], ...]
    shared: tuple[str, ...]
    folders: tuple[str, str]
    device: DeviceName

    def run_dir(self, row: PaperRow, seed: int) -> Path:
        """The run of a row with a seed."""
        return self.out / "runs" / f"{row.key}-seed{seed}"

    def words(self, row: PaperRow, seed: int) -> list[str]:
        """What launch/train.py is given: the shared files, the row's, then the shared settings."""
        files = [word for word in self.shared if "=" not in word]
        settings = [word for word in self.shared if "=" in word]
        folders = [
            f"data.{domain}={folder}" for domain, folder in zip(("photos", "cartoons"), self.folders, strict=True)
        ]
        own = [f"seed={seed}", f"run_dir={self.run_dir(row, seed)}", "score_at_end=true", "score.weights=raw"]
        return [*files, str(ROOT / "configs" / f"{row.config}.yaml"), *settings, *folders, *own]


def main(argv: Sequence[str]) -> int:
    """Train what is not trained yet, score it, and write tables.md and tables.html; the exit status."""
    parser = argparse.ArgumentParser(
        prog="launch/table.py",
        description="Both tables of the paper for your photos and a style's cartoons. Run it again to go on.",
        epilog="example: python launch/table.py photos/ frames/ runs/tables configs/hayao.yaml --seeds 3",
    )
    parser.add_argument("photos", metavar="PHOTOS", help="a folder of photos, or their shards")
    parser.add_argument("cartoons", metavar="CARTOONS", help="a folder of the style's cartoons, or their shards")
    parser.add_argument("out", metavar="OUT", type=Path, help="where all of it goes")
    parser.add_argument(
        "shared", nargs="*", metavar="CONFIG.yaml | key=value",
        help="of all rows alike, as launch/train.py takes them; shards.KEY=VALUE is for the shard job",
    )  # fmt: skip
    parser.add_argument(
        "--seeds", default="1", metavar="N[,ROW=M,...]",
        help="train each row with seeds 0 to N-1 (1), a row that is named with M seeds",
    )  # fmt: skip
    parser.add_argument("--rows", metavar="ROW,...", help=f"only these: {','.join(row.key for row in ROWS)}")
    parser.add_argument("--processes", type=int, default=1, metavar="N", help="train and score on N processes here (1)")
    parser.add_argument(
        "--jobs", metavar="'nodes=N gpus_per_node=G ...'",
        help="hand each run to Slurm by launch/submit.py and write the tables of what is done",
    )  # fmt: skip
    parser.add_argument(
        "--write-only", action="store_true", help="train nothing: write the tables of the runs that are there"
    )
    parser.add_argument(
        "--curves", action="store_true", help="score here each checkpoint that the runs have kept, for the curves"
    )
    arguments = parser.parse_intermixed_args(argv)
    plan = _planned(arguments)
    for row, seed in plan.runs:
        read_settings(plan.words(row, seed))  # mistakes of any row before the first is trained
    for row, seed in plan.runs:
        if arguments.write_only:
            continue
        if _is_done(plan, row, seed):
            print_message(f"{plan.run_dir(row, seed)}: is trained and scored")
        else:
            _train(plan, row, seed, processes=arguments.processes, jobs=arguments.jobs)
    if arguments.curves:
        for row, seed in plan.runs:
            _score_kept(RunFolder(plan.run_dir(row, seed)), plan.device)
    runs = [(row, seed, plan.run_dir(row, seed)) for row, seed in plan.runs]
    print("\n".join(map(str, write_tables(plan.out, collect_results(runs), runs, shlex.join(["launch/table.py", *argv])))))
    return EXIT_DONE


def _planned(arguments: argparse.Namespace) -> Plan:
    known = {row.key: row for row in ROWS}
    asked = arguments.rows.split(",") if arguments.rows else list(known)
    unknown = [key for key in asked if key not in known]
    if unknown:
        raise ConfigError(f"--rows: there is no row {', '.join(unknown)}; there are {', '.join(known)}")
    seeds = _seeds(arguments.seeds, asked)
    cut = [word.removeprefix(SHARDS) for word in arguments.shared if word.startswith(SHARDS)]
    shared = [word for word in arguments.shared if not word.startswith(SHARDS)]
    for word in shared:
        if "=" in word and word.partition("=")[0] in ("run_dir", "seed", "method", "data.photos", "data.cartoons"):
            raise ConfigError(f"{word.partition('=')[0]}: is what the table chooses; leave it out")
    # Without a config file the defaults are the paper's; launch/train.py wants at least one, and the row's is one.
    settings = _settings(shared)
    size = settings.image_size
    folders = (
        _shards("photos", arguments.photos, arguments.out, cut, size),
        _shards("cartoons", arguments.cartoons, arguments.out, cut, size),
    )
    return Plan(
        out=arguments.out,
        runs=tuple((row, seed) for seed in range(max(seeds.values())) for row in ROWS if seed < seeds.get(row.key, 0)),
        shared=tuple(shared),
        folders=folders,
        device=settings.device,
    )


def _seeds(given: str, rows: Sequence[str]) -> dict[str, int]:
    """How many seeds each of the rows gets: `1,cartoongan=3` is 3 of that row and 1 of the others."""
    found = dict.fromkeys(rows, "1")
    for word in given.split(","):
        key, named, count = word.rpartition("=")
        found |= {key: count} if named else dict.fromkeys(rows, count)
    unknown = [key for key in found if key not in rows]
    if unknown or not all(count.isdecimal() and int(count) for count in found.values()):
        raise ConfigError(f"--seeds {given}: give N or N,ROW=M,..., at least 1; the rows are {', '.join(rows)}")
    return {key: int(count) for key, count in found.items()}


def _settings(shared: Sequence[str]) -> TrainSettings:
    return read_settings([*shared, str(ROOT / "configs" / f"{ROWS[-1].config}.yaml")])


def _shards(domain: str, given: str, out: Path, cut: Sequence[str], size: int) -> str:
    """The shards: those given, or the pictures' own, built."""
    if is_remote(given) or (Path(given) / MANIFEST).exists():
        return given
    if Path(given).is_dir():
        require_outside(out, Path(given), made="drawings and samples")
    folder = out / "shards" / domain
    _type(f"shards/{domain}.py", Path(given).absolute(), folder.absolute(), f"image_size={size}", *cut)
    return str(folder)


def _is_done(plan: Plan, row: PaperRow, seed: int) -> bool:
    """Whether a run with these very settings has ended and is scored."""
    run = RunFolder(plan.run_dir(row, seed))
    if not run.config.exists():
        return False
    ended = run.exit_status() == EXIT_DONE
    try:
        config = read_regular_text(run.config, max_bytes=MAX_TEXT_BYTES)
    except (OSError, UnicodeDecodeError):
        return False  # the training of it will say what is wrong
    same = config == config_text(read_settings(plan.words(row, seed)))
    return ended and same and bool(collect_results([(row, seed, run.root)]))


def _score_kept(run: RunFolder, device: DeviceName) -> None:
    """The distance after each step whose checkpoint the run has kept, without what only an end needs."""
    scored = [
        score.get("step") for score in score_file.read_scores(run.scores) if score_file.protocol_of(score).get("weights") == "raw"
    ]
    for step in checkpoint.steps(run):
        if step not in scored:
            words = ("weights=raw", "score.subsamples=0", "score.content=false", f"device={device}")
            _type("launch/fid.py", run.checkpoint(step), *words)


def _train(plan: Plan, row: PaperRow, seed: int, *, processes: int, jobs: str | None) -> None:
    words = plan.words(row, seed)
    if jobs:
        _type("launch/submit.py", "train", *words, *shlex.split(jobs))
        return
    launcher: list[str] = []
    if processes > 1:
        on_gpus = plan.device != "cpu" and torch.cuda.is_available()
        config = str(ROOT / f"configs/accelerate/{'ddp' if on_gpus else 'cpu'}.yaml")
        launcher = ["-m", "accelerate.commands.launch", "--config_file", config, "--main_process_port", "0"]
        launcher += ["--num_processes", str(processes)]
    _type(*launcher, str(ROOT / "launch/train.py") if launcher else "launch/train.py", *words)
