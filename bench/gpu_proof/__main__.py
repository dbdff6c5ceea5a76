"""The command line: `python -m bench.gpu_proof OUT [--minutes N] [--rehearse] [--without NAME] [--only STAGE,...]`."""

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.gpu_proof import docs, switches, tables
from bench.gpu_proof.plan import STAGES
from bench.gpu_proof.record import FILE_NAME, new_session, read_lines
from bench.gpu_proof.runner import run_stages, show

EXIT_USAGE = 2


def main(argv: Sequence[str]) -> int:
    """0 where every stage passed or had nothing to check, 1 where one failed, 2 for wrong arguments."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.write_docs is not None:
        try:
            docs.write(arguments.write_docs or docs.recorded(), docs.PAGE)
        except (OSError, ValueError) as error:
            return _usage_error(f"--write-docs: {error}")
        show(f"{docs.PAGE.name}: written from {len(arguments.write_docs or docs.recorded())} files")
        return 0
    if arguments.out is None:
        return _usage_error("OUT: name a folder for the results")
    if wrong := switches.unknown(arguments.without):
        return _usage_error(
            f"--without: there is no {', '.join(wrong)}; there are {', '.join(sorted(switches.SWITCHES))}"
        )
    names = [stage.name for stage in STAGES]
    only = arguments.only.split(",") if arguments.only else names
    if wrong := [name for name in only if name not in names]:
        return _usage_error(f"--only: there is no stage {', '.join(wrong)}; there are {', '.join(names)}")
    if not arguments.minutes > 0:
        return _usage_error(f"--minutes: {arguments.minutes:g} is not above 0")
    try:
        session = new_session(arguments.out.resolve(), rehearse=arguments.rehearse, without=tuple(arguments.without))
    except OSError as error:
        return _usage_error(f"{arguments.out}: cannot be used ({error.strerror or error})")
    # Otherwise the stage that is running would go on after this process was told to end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    chosen = [stage for stage in STAGES if stage.name in ("versions", *only)]
    lines = run_stages(session, chosen, minutes=arguments.minutes)
    mine = [line for line in read_lines([session.file]) if line["session"] == session.name]
    show(f"\n{tables.of_sessions(mine)}\n\n{arguments.out / FILE_NAME}: session {session.name}")
    return 1 if any(line["ok"] is False for line in lines) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench.gpu_proof",
        description="Check on a GPU that the code is right, and measure its speed; docs/gpu.md explains each stage.",
        epilog="switches: " + "; ".join(f"{name}: {switch.meaning}" for name, switch in switches.SWITCHES.items()),
    )
    parser.add_argument(
        "out", metavar="OUT", nargs="?", type=Path, help=f"a folder; results are added to its {FILE_NAME}"
    )
    parser.add_argument("--minutes", type=float, default=4.0, help="for all stages together (default 4)")
    parser.add_argument("--rehearse", action="store_true", help="the same code on the CPU with tiny sizes")
    parser.add_argument(
        "--without", metavar="NAME", action="append", default=[], help="switch something off, to compare; repeatable"
    )
    parser.add_argument(
        "--only", metavar="STAGE,...", help="these stages alone, after `versions`, in their usual order"
    )
    parser.add_argument(
        "--write-docs",
        metavar="FILE.jsonl",
        nargs="*",
        type=Path,
        help="instead of measuring: write the tables of docs/gpu.md (without a file: from docs/gpu/*.jsonl)",
    )
    return parser


def _usage_error(message: str) -> int:
    sys.stderr.write(f"error: {message}\n")
    return EXIT_USAGE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
