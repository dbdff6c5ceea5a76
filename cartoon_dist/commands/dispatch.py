"""Which commands there are, and how one is called: `cartoon-dist NAME`, `python -m cartoon_dist NAME`, or its script.

A command's module is imported when the command runs, and its parser alone for `--help`, as torch takes seconds.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from typing import Any, Never

from cartoon_dist import extras
from cartoon_dist.commands.main import EXIT_DONE, run_command
from cartoon_dist.console.command_names import PROGRAM, note_program_typed
from cartoon_dist.console.escape import truncated
from cartoon_dist.errors import ConfigError

_HELP = ("-h", "--help")


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command. main and parser: the function that runs it and the one that makes its argparse parser, as
    `module:function` in cartoon_dist.commands; extras: what it needs beside the base installation."""

    summary: str
    main: str
    parser: str
    extras: tuple[str, ...] = ()

    def call(self, words: Sequence[str]) -> int:
        """Run it; its exit status. ConfigError where this installation lacks a library that it needs."""
        if any(word in _HELP for word in words):
            _load(self.parser)().parse_args(words)  # prints the help and leaves
        extras.require(*self.extras)
        return int(_load(self.main)(words))


COMMANDS = {
    "cartoonize": Command(
        summary="draw a picture, a folder of pictures or a film",
        main="cartoonize:main",
        parser="command_lines.cartoonize:parser",
    ),
    "web": Command(summary="a page to try models on", main="web:main", parser="command_lines.web:parser"),
    "shards photos": Command(
        summary="photos -> shards to train on, each photo with its saliency label",
        main="shards:photos",
        parser="command_lines.shards:photos_parser",
        extras=("train",),
    ),
    "shards cartoons": Command(
        summary="cartoons, or films -> shards, each cartoon with its smoothed copy",
        main="shards:cartoons",
        parser="command_lines.shards:cartoons_parser",
        extras=("train",),
    ),
    "shards verify": Command(
        summary="read every byte of a shard folder; mend it; index a set built elsewhere",
        main="verify:main",
        parser="command_lines.verify:parser",
        extras=("train",),
    ),
    "train": Command(
        summary="train a network that draws; on many processes by accelerate launch",
        main="train:main",
        parser="command_lines.train:parser",
        extras=("train",),
    ),
    "fid": Command(
        summary="score what a run draws, or a folder of drawings",
        main="fid:main",
        parser="command_lines.fid:parser",
        extras=("train", "score"),
    ),
    "report": Command(summary="write a run's report again", main="report:main", parser="command_lines.report:parser"),
    "export": Command(
        summary="a trained generator as one file: safetensors or ONNX",
        main="export:main",
        parser="command_lines.export:parser",
    ),
    "table": Command(
        summary="both tables of the paper: train each row, score it, write them",
        main="table:main",
        parser="command_lines.table:parser",
        extras=("train", "score"),
    ),
    "weights": Command(
        summary="pretrained weights: the only command that downloads",
        main="weights:main",
        parser="command_lines.weights:parser",
    ),
    "submit": Command(
        summary="train, shards or fid as a job on Slurm",
        main="submit:main",
        parser="command_lines.submit:parser",
        extras=("train",),
    ),
    "slurm": Command(summary="hand out the scripts for sbatch", main="slurm:main", parser="command_lines.slurm:parser"),
    "demo": Command(
        summary="all of it on a few sample pictures, in minutes",
        main="demo:main",
        parser="command_lines.demo:parser",
        extras=("train", "score"),
    ),
}
"""Every command by its name; a name of two words is the second's in a group."""


def main() -> Never:
    """`cartoon-dist`: run the command that the command line names."""
    note_program_typed()
    run_command(run)


def run_script(name: str) -> Never:
    """What a script of launch/ or shards/ does: run this command with the rest of the command line."""
    run_command(COMMANDS[name].call)


def run(words: Sequence[str]) -> int:
    """Run the command that the first words name, or print what there is; ConfigError for any other name."""
    if not words or words[0] in _HELP:
        print(_overview(COMMANDS))
        return EXIT_DONE
    if words[0] in ("-V", "--version"):
        from cartoon_dist import __version__

        print(f"{PROGRAM} {__version__}")
        return EXIT_DONE
    for num_words in (2, 1):
        if command := COMMANDS.get(" ".join(words[:num_words])):
            return command.call(words[num_words:])
    group = {name: command for name, command in COMMANDS.items() if name.split()[0] == words[0]}
    if group and (len(words) == 1 or words[1] in _HELP):
        print(_overview(group))
        return EXIT_DONE
    raise ConfigError(_unknown(words, group or COMMANDS))


def _unknown(words: Sequence[str], known: dict[str, Command]) -> str:
    if known is COMMANDS:
        name, group, names = words[0], "", {word for full in known for word in (full, full.split()[0])}
    else:
        name, group, names = words[1], f"{words[0]} ", {full.split()[1] for full in known}
    near = get_close_matches(name, names, 1, 0.6)
    name = group + name
    advice = f"did you mean {group}{near[0]}?" if near else f"there are {', '.join(known)}"
    return f"{truncated(name)}: no such command; {advice}"


def _overview(commands: dict[str, Command]) -> str:
    width = max(map(len, commands))
    num_lacking = 0
    lines = [f"usage: {PROGRAM} COMMAND ...", "", f"Photos into cartoons. {PROGRAM} COMMAND --help tells more.", ""]
    for name, command in commands.items():
        lacking = ",".join(extra for extra in command.extras if not extras.is_installed(extra))
        lines.append(f"  {name:<{width}}  {command.summary}{f' [{lacking}]' if lacking else ''}")
        num_lacking += bool(lacking)
    if num_lacking:
        lines += ["", f"What ends with [EXTRA] is not installed yet; type: pip install '{PROGRAM}[EXTRA]'"]
    return "\n".join(lines)


def _load(place: str) -> Callable[..., Any]:
    module, _, function = place.partition(":")
    return getattr(import_module(f"cartoon_dist.commands.{module}"), function)
