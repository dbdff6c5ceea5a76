"""The command line: `python -m bench.gpu_training OUT --pack FILE --minutes M [--rows NAME,...] [key=value ...]`,
`... pack FILE --pictures FOLDER --style NAME`, `... join FOLDER FILE`."""

import argparse
import shlex
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bench.gpu_proof.record import new_session
from bench.gpu_proof.runner import show
from bench.gpu_training import parts
from bench.gpu_training.clock import Clock
from bench.gpu_training.job import FILE_NAME, Job, Lines
from bench.gpu_training.options import OWN_CONFIG, ROWS, Options
from bench.gpu_training.pack import PackChoices, write_pack
from bench.gpu_training.stages import bind, run_all
from cartoon_dist.errors import CartoonError, ConfigError
from cartoon_dist.files.locks import lock_folder
from cartoon_dist.files.shipped import shipped
from cartoon_dist.pretrained import default_folder

EXIT_DONE, EXIT_FAILED, EXIT_USAGE = 0, 1, 2
_DESCRIPTION = (
    "Train at the paper's size until the minutes are over, and leave what is worth bringing home in OUT, in small "
    "files. `pack FILE --pictures FOLDER --style NAME` makes the file that travels; `join FOLDER FILE` puts a model's "
    "parts together. docs/gpu_training.md explains it."
)


def main(argv: Sequence[str]) -> int:
    """0 where all is done, 1 where a stage failed or had no time, 2 for a mistake of the user's."""
    try:
        if argv and argv[0] == "pack":
            return _pack(argv[1:])
        if argv and argv[0] == "join":
            return _join(argv[1:])
        return _train(argv)
    except CartoonError as error:
        sys.stderr.write(f"error: {error}\n")
        return EXIT_USAGE


def _pack(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.gpu_training pack", description=_DESCRIPTION)
    parser.add_argument("file", metavar="FILE.tar", type=Path)
    parser.add_argument("--pictures", type=Path, required=True, help="a folder with photos/ and STYLE/ (or cartoons/)")
    parser.add_argument("--style", required=True, help="what the cartoons are called: anime, flat")
    parser.add_argument("--megabytes", type=float, default=49.0, help="of the file at most (default 49)")
    parser.add_argument("--short", type=int, default=384, help="short side of larger pictures, in pixels (default 384)")
    parser.add_argument("--most", type=int, default=4000, help="pictures of a kind at most (default 4000)")
    parser.add_argument("--held-out", type=int, default=12, help="photos that are only drawn (default 12)")
    parser.add_argument("--weights", type=Path, default=default_folder(), help="the folder of pretrained weights")
    arguments = parser.parse_args(argv)
    choices = PackChoices(
        pictures=arguments.pictures,
        style=arguments.style,
        weights=arguments.weights,
        max_bytes=int(arguments.megabytes * 1e6),
        short=arguments.short,
        held_out=arguments.held_out,
        max_each=arguments.most,
    )
    facts = write_pack(arguments.file, choices)
    show(
        f"{arguments.file}: {facts['bytes'] / 1e6:.1f} MB: {facts['photos']} photos of {facts['photo_scenes']} scenes, "
        f"{facts['cartoons']} cartoons of {facts['cartoon_scenes']} scenes, JPEG of quality {facts['quality']}, "
        f"{facts['held_out']} photos held out; "
        + ", ".join(f"{kind} {size:g} MB" for kind, size in facts["megabytes"].items())
    )
    return EXIT_DONE


def _join(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.gpu_training join", description=_DESCRIPTION)
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="OUT/ROW, or a folder with SHA256SUMS in it")
    parser.add_argument("file", metavar="FILE", type=Path, help="where the whole file goes, for a model a .safetensors")
    arguments = parser.parse_args(argv)
    parts.join(arguments.folder, arguments.file)
    show(f"{arguments.file}: {arguments.file.stat().st_size / 1e6:.1f} MB, its hash is right")
    return EXIT_DONE


def _train(argv: Sequence[str]) -> int:
    options = _options(argv)
    options.check()
    options.out.mkdir(parents=True, exist_ok=True)
    options.scratch.mkdir(parents=True, exist_ok=True)
    # Otherwise the stage that is running would go on after this process was told to end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(EXIT_FAILED))
    refusal = ConfigError(f"{options.out}: another training is going on there; wait for it or stop it")
    with lock_folder(options.scratch, refusal):
        options = _with_own_pack(options)
        made = new_session(options.out, rehearse=options.rehearse)
        job = Job(
            options,
            Lines(made.out, made.name, made.rehearse),
            Clock(options.out / "progress.json", minutes=options.minutes),
        )
        bind(job)
        command = shlex.join(["python", "-m", "bench.gpu_training", *argv])
        job.lines.append(stage="start", command=command, used_seconds=round(job.clock.used_seconds, 1))
        with job.clock.kept():
            complete = run_all(job)
    show(
        f"{options.out}: summary.md, {FILE_NAME}; {job.clock.used_seconds / 60:.1f} of {options.minutes:g} minutes used"
    )
    return EXIT_DONE if complete else EXIT_FAILED


def _options(argv: Sequence[str]) -> Options:
    parser = argparse.ArgumentParser(prog="python -m bench.gpu_training", description=_DESCRIPTION)
    parser.add_argument(
        "out", metavar="OUT", type=Path, help="a folder for what is brought home; the same again goes on"
    )
    parser.add_argument("settings", metavar="key=value", nargs="*", help="settings of training that all rows get alike")
    parser.add_argument("--minutes", type=float, required=True, help="for everything, over all starts with this OUT")
    parser.add_argument("--pack", type=Path, help="the file that `pack` has written")
    parser.add_argument("--style", default="", help="what the pack must hold; left out: whatever it holds")
    parser.add_argument("--rows", default="ressal_cbam", help=f"of {', '.join((*ROWS, OWN_CONFIG))}; commas between")
    parser.add_argument("--config", default="hayao", help="the config that all rows begin with (default hayao)")
    parser.add_argument("--seed", type=int, default=0, help="of every row (default 0)")
    parser.add_argument("--image-size", type=int, help="in pixels (default 256; of a rehearsal 32)")
    parser.add_argument("--budget", choices=("images", "minutes"), default="images", help="what all rows get alike")
    parser.add_argument("--draw-with", choices=("ema", "raw"), default="ema", help="exported and scored weights")
    parser.add_argument("--scratch", type=Path, help="for shards and checkpoints (default OUT-scratch beside OUT)")
    parser.add_argument("--rehearse", action="store_true", help="the same stages on a CPU with tiny sizes")
    arguments = parser.parse_intermixed_args(argv)
    if not arguments.minutes > 0:
        raise ConfigError(f"--minutes: {arguments.minutes:g} is not above 0")
    out: Path = arguments.out.resolve()
    return Options(
        out=out,
        scratch=(arguments.scratch or out.with_name(f"{out.name}-scratch")).resolve(),
        pack=arguments.pack,
        minutes=arguments.minutes,
        style=arguments.style,
        rows=tuple(arguments.rows.split(",")),
        config=arguments.config,
        seed=arguments.seed,
        image_size=arguments.image_size or (32 if arguments.rehearse else 256),
        budget=arguments.budget,
        weights=arguments.draw_with,
        rehearse=arguments.rehearse,
        words=tuple(arguments.settings),
    )


def _with_own_pack(options: Options) -> Options:
    """A rehearsal without a pack makes one of the embedded pictures."""
    if not options.rehearse or options.pack is not None:
        return options
    pack = options.scratch / "rehearsal.tar"
    if not pack.is_file():
        choices = PackChoices(
            pictures=shipped("samples"),
            style=options.style or "anime",
            weights=default_folder(),
            short=48,
            held_out_side=64,
        )
        write_pack(pack, choices)
    return replace(options, pack=pack)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
