"""`launch/table.py`: every row of the paper's tables trained and scored the same way, then both tables."""

import argparse
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from cartoon_dist.commands import run_subprocess
from cartoon_dist.commands.command_lines.table import parser
from cartoon_dist.commands.main import EXIT_DONE
from cartoon_dist.commands.run_subprocess import launcher
from cartoon_dist.config.cluster import ClusterSettings
from cartoon_dist.config.command_line import key_of, parse, read_words, split, warn_of_renamed
from cartoon_dist.config.commands import TableSettings
from cartoon_dist.config.fields import DeviceName
from cartoon_dist.config.reading import read
from cartoon_dist.config.run_config import read_settings
from cartoon_dist.config.train import TrainSettings
from cartoon_dist.config.validation_errors import setting_paths
from cartoon_dist.console.command_names import command_name
from cartoon_dist.console.messages import print_message
from cartoon_dist.data.format.manifest import MANIFEST
from cartoon_dist.data.inputs.search import require_outside
from cartoon_dist.data.remote.fetch import is_remote
from cartoon_dist.errors import ConfigError
from cartoon_dist.files.bounded import MAX_TEXT_BYTES, read_regular_text
from cartoon_dist.files.shipped import shipped
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
        """What the training is given: the shared files, the row's, then the shared settings."""
        files = [word for word in self.shared if "=" not in word]
        settings = [word for word in self.shared if "=" in word]
        folders = [
            f"data.{domain}={folder}" for domain, folder in zip(("photos", "cartoons"), self.folders, strict=True)
        ]
        own = [f"seed={seed}", f"run_dir={self.run_dir(row, seed)}", "score_at_end=true", "score.weights=raw"]
        return [*files, str(shipped("configs") / f"{row.config}.yaml"), *settings, *folders, *own]


def main(argv: Sequence[str]) -> int:
    """Train what is not trained yet, score it, and write tables.md and tables.html; the exit status."""
    arguments, settings = read_command_line(argv)
    plan = _make_plan(arguments, settings)
    for row, seed in plan.runs:
        read_settings(plan.words(row, seed))  # mistakes of any row before the first is trained
    for row, seed in plan.runs:
        if arguments.write_only:
            continue
        if _is_done(plan, row, seed):
            print_message(f"{plan.run_dir(row, seed)}: is trained and scored")
        else:
            _train(plan, row, seed, processes=settings.processes, job=arguments.job)
    if arguments.curves:
        for row, seed in plan.runs:
            _score_kept(RunFolder(plan.run_dir(row, seed)), plan.device)
    runs = [(row, seed, plan.run_dir(row, seed)) for row, seed in plan.runs]
    print(
        "\n".join(
            map(str, write_tables(plan.out, collect_results(runs), runs, f"{command_name('table')} {shlex.join(argv)}"))
        )
    )
    return EXIT_DONE


def read_command_line(argv: Sequence[str]) -> tuple[argparse.Namespace, TableSettings]:
    """PHOTOS, CARTOONS and OUT as `photos`, `cartoons` and `out`, what all rows get alike as words in `settings`, the
    settings of a Slurm job as words in `job` (None: train here), and the table's own settings."""
    of_job = setting_paths(ClusterSettings)
    arguments = parse(
        parser(), argv, paths=("photos", "cartoons", "out"), keys=[*setting_paths(TableSettings), *of_job]
    )
    own, words = split(TableSettings, arguments.settings, [*setting_paths(TrainSettings), *of_job, "shards"])
    arguments.job = [word for word in words if key_of(word) in of_job] if arguments.submit else None
    arguments.settings = [word for word in words if key_of(word) not in of_job]
    if arguments.jobs is not None:
        warn_of_renamed(f"--jobs {shlex.quote(arguments.jobs)}", f"--submit {arguments.jobs}")
        arguments.job = [*(arguments.job or []), *shlex.split(arguments.jobs)]
    elif arguments.submit:
        read(ClusterSettings, [], arguments.job)
    elif len(arguments.settings) < len(words):
        raise ConfigError(
            f"{key_of(next(word for word in words if key_of(word) in of_job))}: is of --submit; give both"
        )
    return arguments, read_words(TableSettings, own)


def _make_plan(arguments: argparse.Namespace, table: TableSettings) -> Plan:
    out = Path(arguments.out)
    known = [row.key for row in ROWS]
    rows = table.rows.split(",") if table.rows else known
    unknown = [key for key in rows if key not in known]
    if unknown:
        raise ConfigError(f"rows: there is no row {', '.join(unknown)}; there are {', '.join(known)}")
    seeds = _seeds_of_rows(table.seeds, rows)
    shard_words = [word.removeprefix(SHARDS) for word in arguments.settings if word.startswith(SHARDS)]
    shared = [word for word in arguments.settings if not word.startswith(SHARDS)]
    for word in shared:
        if "=" in word and key_of(word) in ("run_dir", "seed", "method", "data.photos", "data.cartoons"):
            raise ConfigError(f"{key_of(word)}: is what the table chooses; leave it out")
    # Without a config file the defaults are the paper's; a training wants at least one, and the row's is one.
    settings = _settings(shared)
    folders = (
        _shards("photos", arguments.photos, out, shard_words, settings.image_size),
        _shards("cartoons", arguments.cartoons, out, shard_words, settings.image_size),
    )
    return Plan(
        out=out,
        runs=tuple((row, seed) for seed in range(max(seeds.values())) for row in ROWS if seed < seeds.get(row.key, 0)),
        shared=tuple(shared),
        folders=folders,
        device=settings.device,
    )


def _seeds_of_rows(text: str, rows: Sequence[str]) -> dict[str, int]:
    """How many seeds each of the rows gets: `1,cartoongan=3` is 3 of that row and 1 of the others."""
    counts = dict.fromkeys(rows, "1")
    for word in text.split(","):
        key, named, count = word.rpartition("=")
        counts |= {key: count} if named else dict.fromkeys(rows, count)
    unknown = [key for key in counts if key not in rows]
    if unknown or not all(count.isdecimal() and int(count) for count in counts.values()):
        raise ConfigError(f"seeds={text}: give N or N,ROW=M,..., at least 1; the rows are {', '.join(rows)}")
    return {key: int(count) for key, count in counts.items()}


def _settings(shared: Sequence[str]) -> TrainSettings:
    return read_settings([*shared, str(shipped("configs") / f"{ROWS[-1].config}.yaml")])


def _shards(domain: str, source: str, out: Path, shard_words: Sequence[str], image_size: int) -> str:
    """The folder or URL of shards: the source itself where it is one, else shards built of its pictures."""
    if is_remote(source) or (Path(source) / MANIFEST).exists():
        return source
    if Path(source).is_dir():
        require_outside(out, Path(source), made="drawings and samples")
    folder = out / "shards" / domain
    _type(f"shards {domain}", Path(source).absolute(), folder.absolute(), f"image_size={image_size}", *shard_words)
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
        score.get("step")
        for score in score_file.read_scores(run.scores)
        if score_file.protocol_of(score).get("weights") == "raw"
    ]
    for step in checkpoint.steps(run):
        if step not in scored:
            words = ("weights=raw", "score.subsamples=0", "score.content=false", f"device={device}")
            _type("fid", run.checkpoint(step), *words)


def _train(plan: Plan, row: PaperRow, seed: int, *, processes: int, job: Sequence[str] | None) -> None:
    words = plan.words(row, seed)
    if job is not None:
        _type("submit", "train", *words, *job)
        return
    if processes > 1:
        on_gpus = plan.device != "cpu" and torch.cuda.is_available()
        several = launcher("ddp" if on_gpus else "cpu", "--num_processes", str(processes))
        _type("train", *words, launcher=several)
    else:
        _type("train", *words)
