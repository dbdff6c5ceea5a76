"""The command line of `launch/submit.py`."""

import argparse

from cartoon_dist.config import overrides
from cartoon_dist.config.cluster import ClusterSettings
from cartoon_dist.console.command_names import command_name


def parser() -> argparse.ArgumentParser:
    """Of a job."""
    cluster = ", ".join(f"{k}={v}" for k, v in overrides.flatten(overrides.to_dict(ClusterSettings())).items())
    parser = argparse.ArgumentParser(
        prog=command_name("submit"),
        description="A command as a job on several nodes. Run it again to go on where it stopped.",
        epilog=f"settings of the job and their defaults: {cluster}; all others are those of the command. On Slurm it "
        "returns at once; with cluster=local it waits. A job that is preempted, out of time or has lost a node goes "
        "back into the queue.",
    )
    dry = argparse.ArgumentParser(add_help=False)
    dry.add_argument("--dry-run", action="store_true", help="print what would be done and the sbatch file, and stop")
    commands = parser.add_subparsers(dest="what", required=True, metavar="shards|train|fid")
    shards = commands.add_parser(
        "shards", parents=[dry], help="build shards in N tasks, each with its slice of them; the last seals the folder",
        usage=f"{command_name('submit')} shards photos|cartoons PICTURES... OUT nodes=N [key=value ...] [--dry-run]",
    )  # fmt: skip
    shards.add_argument("domain", choices=["photos", "cartoons"])
    shards.add_argument("inputs", nargs="+", metavar="PICTURES", help=f"as {command_name('shards photos')} takes them")
    shards.add_argument("out", metavar="OUT", help="the folder to write to, which all nodes see under this path")
    train = commands.add_parser(
        "train", parents=[dry], help="train, with a process for each GPU of each node",
        usage=f"{command_name('submit')} train [CONFIG ...] nodes=N gpus_per_node=G [key=value ...] [--dry-run]",
    )  # fmt: skip
    train.add_argument("configs", nargs="*", metavar="CONFIG", help=f"as {command_name('train')} takes them")
    fid = commands.add_parser(
        "fid", parents=[dry], help="score a run, with a process for each GPU of each node",
        usage=f"{command_name('submit')} fid RUN nodes=N gpus_per_node=G [key=value ...] [--untrained] [--dry-run]",
    )  # fmt: skip
    fid.add_argument("run", metavar="RUN", help="a run folder, or one of its checkpoints")
    fid.add_argument("--untrained", action="store_true", help="score the generator that the run began with")
    return parser
