"""The command line of `launch/table.py`."""

import argparse

from cartoon_dist.config.command_line import add_renamed
from cartoon_dist.console.command_names import command_line, command_name
from cartoon_dist.tables.paper_tables import ROWS


def parser() -> argparse.ArgumentParser:
    """Of the paper's tables."""
    parser = argparse.ArgumentParser(
        prog=command_name("table"),
        description="Both tables of the paper for your photos and a style's cartoons. Run it again to go on.",
        epilog=f"example: {command_line('table', 'photos/ frames/ runs/tables hayao seeds=3')}",
    )
    parser.add_argument("photos", metavar="PHOTOS", help="a folder of photos, or their shards")
    parser.add_argument("cartoons", metavar="CARTOONS", help="a folder of the style's cartoons, or their shards")
    parser.add_argument("out", metavar="OUT", help="where all of it goes")
    parser.add_argument(
        "settings", nargs="*", metavar="CONFIG | key=value",
        help=f"of all rows alike, as {command_name('train')} takes them; shards.KEY=VALUE is for the shard job. Of "
        "the table: seeds=N[,ROW=M,...]: train each row with seeds 0 to N-1 (1), a row that is named with M seeds; "
        f"rows=ROW,...: only these of {','.join(row.key for row in ROWS)}; processes=N: train and score on N processes "
        "here (1)",
    )  # fmt: skip
    parser.add_argument(
        "--submit", action="store_true",
        help=f"hand each run to Slurm by {command_name('submit')}, with its settings (nodes=N gpus_per_node=G ...), "
        "and write the tables of what is done",
    )  # fmt: skip
    parser.add_argument(
        "--write-only", action="store_true", help="train nothing: write the tables of the runs that are there"
    )
    parser.add_argument(
        "--curves", action="store_true", help="score here each checkpoint that the runs have kept, for the curves"
    )
    for option in ("--seeds", "--rows", "--processes"):
        add_renamed(parser, option, option.removeprefix("--"))
    parser.add_argument("--jobs", help=argparse.SUPPRESS)  # --submit, with its settings as one word
    return parser
