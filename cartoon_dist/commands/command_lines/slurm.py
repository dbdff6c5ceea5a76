"""The command line of `cartoon-dist slurm`."""

import argparse

from cartoon_dist.console.command_names import PROGRAM


def parser() -> argparse.ArgumentParser:
    """Of the scripts for sbatch."""
    parser = argparse.ArgumentParser(
        prog=f"{PROGRAM} slurm", description="The scripts that are given to sbatch, for your site to change."
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="copy")
    copying = actions.add_parser(
        "copy",
        help="write them into a folder",
        description="Write the scripts into a folder, for this installation: then `sbatch FOLDER/train_hayao.sh` from "
        "anywhere. Resources stand at the top of each script, your site's facts in environment.sh. What is there and "
        "was changed stays, and is named.",
        epilog=f"example: {PROGRAM} slurm copy jobs",
    )
    copying.add_argument("folder", metavar="FOLDER", help="where they go; it is made where it is missing")
    copying.add_argument("--replace", action="store_true", help="replace scripts that were changed as well")
    return parser
