"""`launch/submit.py`: a command as a job on many nodes, on Slurm or on this machine."""

import argparse
import dataclasses
import signal
from collections.abc import Sequence
from typing import Protocol

from cartoon_dist.config import overrides
from cartoon_dist.config.cluster import ClusterSettings
from cartoon_dist.config.command_line import SETTING
from cartoon_dist.config.reading import read
from cartoon_dist.config.shards import ShardSettings
from cartoon_dist.config.train import TrainSettings
from cartoon_dist.config.validation_errors import did_you_mean, setting_paths
from cartoon_dist.console.escape import truncated
from cartoon_dist.console.messages import print_message
from cartoon_dist.errors import ConfigError

_CLUSTER_KEYS = frozenset(field.name for field in dataclasses.fields(ClusterSettings))
_WITHOUT_EFFECT = {
    "shards": ("gpus_per_node", "processes_per_node"),
    "train": ("at_once",),
    "fid": ("at_once",),
}
"""The settings of a job that change nothing for this command."""


class SubmitRequest(Protocol):
    """A command that is to become a job."""

    def dry_run(self) -> int:
        """Say what would be done."""
        ...

    def submit(self) -> int:
        """Hand the job over, and wait for it where it runs on this machine."""
        ...

    def report_stop(self) -> int:
        """Say what is left after a stop."""
        ...


def main(words: Sequence[str]) -> int:
    """Submit what the command line says; the exit status."""
    chosen = _parser().parse_args([word for word in words if not SETTING.match(word)])
    settings_words = [word for word in words if SETTING.match(word)]
    of_job = [word for word in settings_words if _key(word) in _CLUSTER_KEYS]
    for key in sorted({_key(word) for word in of_job} & set(_WITHOUT_EFFECT[chosen.what])):
        print_message(f"warning: {key} has no effect on {chosen.what}")
    cluster = read(ClusterSettings, [], of_job)
    _check_known(chosen.what, [word for word in settings_words if _key(word) not in _CLUSTER_KEYS])
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    request = _request(chosen, cluster, [word for word in settings_words if _key(word) not in _CLUSTER_KEYS])
    try:
        return request.dry_run() if chosen.dry_run else request.submit()
    except KeyboardInterrupt:
        return request.report_stop()


def _parser() -> argparse.ArgumentParser:
    cluster = ", ".join(f"{k}={v}" for k, v in overrides.flatten(overrides.to_dict(ClusterSettings())).items())
    parser = argparse.ArgumentParser(
        prog="launch/submit.py",
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
        usage="launch/submit.py shards photos|cartoons PICTURES... OUT nodes=N [key=value ...] [--dry-run]",
    )  # fmt: skip
    shards.add_argument("domain", choices=["photos", "cartoons"])
    shards.add_argument("inputs", nargs="+", metavar="PICTURES", help="as shards/photos.py takes them")
    shards.add_argument("out", metavar="OUT", help="the folder to write to, which all nodes see under this path")
    train = commands.add_parser(
        "train", parents=[dry], help="train, with a process for each GPU of each node",
        usage="launch/submit.py train CONFIG.yaml [MORE.yaml ...] nodes=N gpus_per_node=G [key=value ...] [--dry-run]",
    )  # fmt: skip
    train.add_argument("configs", nargs="+", metavar="CONFIG.yaml", help="as launch/train.py takes them")
    fid = commands.add_parser(
        "fid", parents=[dry], help="score a run, with a process for each GPU of each node",
        usage="launch/submit.py fid RUN nodes=N gpus_per_node=G [key=value ...] [--untrained] [--dry-run]",
    )  # fmt: skip
    fid.add_argument("run", metavar="RUN", help="a run folder, or one of its checkpoints")
    fid.add_argument("--untrained", action="store_true", help="score the generator that the run began with")
    return parser


def _check_known(what: str, words: Sequence[str]) -> None:
    """ConfigError for a setting that neither the job nor the command has: it may be a slip in either."""
    paths = [*sorted(_CLUSTER_KEYS), *setting_paths(ShardSettings if what == "shards" else TrainSettings)]
    wrong = [
        f"{truncated(key)}: no such setting{did_you_mean(key, paths)}" for key in map(_key, words) if key not in paths
    ]
    if wrong:
        raise ConfigError("; ".join(wrong))


def _key(word: str) -> str:
    return word.partition("=")[0]


def _request(chosen: argparse.Namespace, cluster: ClusterSettings, settings_words: Sequence[str]) -> SubmitRequest:
    # Each is imported when it is wanted: training brings torch and all that is built on it, seconds of a login node.
    if chosen.what == "shards":
        from cartoon_dist.commands import submit_shards

        return submit_shards.shard_request(
            chosen.domain.removesuffix("s"), chosen.inputs, chosen.out, cluster, settings_words
        )
    from cartoon_dist.commands import submit_training

    if chosen.what == "train":
        return submit_training.train_request(chosen.configs, cluster, settings_words)
    return submit_training.score_request(chosen.run, cluster, settings_words, untrained=chosen.untrained)
