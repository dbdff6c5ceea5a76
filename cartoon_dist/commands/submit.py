"""`launch/submit.py`: a command as a job on many nodes, on Slurm or on this machine."""

import argparse
import dataclasses
import signal
from collections.abc import Sequence
from typing import Protocol

from cartoon_dist.commands.command_lines.submit import parser
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
    chosen = parser().parse_args([word for word in words if not SETTING.match(word)])
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
