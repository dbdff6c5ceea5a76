"""Runs that several files compare others with: made once."""

from pathlib import Path

import pytest

from tests.running import tiny, train

EXACT = (
    "precision=fp64",
    "max_steps=10",
    "checkpoint.every=5",
    "sample_every=5",
    # Biases before an instance norm have no true gradient, and Adam makes full steps of their round-off: small steps
    # keep that under the limit. The moments, compared too, show every difference at its full size.
    "optimizer.generator=5e-5",
    "optimizer.discriminator=5e-5",
    "warmup.learning_rate=5e-5",
)


@pytest.fixture(scope="session")
def exact() -> tuple[str, ...]:
    """The settings of `pair`."""
    return EXACT


@pytest.fixture(scope="session")
def pair(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """The same ten steps in float64 on one process, and on two that accelerate's launcher starts."""
    runs = {}
    for num_processes in (1, 2):
        runs[num_processes] = tmp_path_factory.mktemp("pair") / f"on{num_processes}"
        config = "cpu" if num_processes > 1 else ""
        done = train(tiny(shards, runs[num_processes], *EXACT), num_processes=num_processes, config=config)
        assert done.returncode == 0, done.stderr
        assert f"{num_processes} process" in done.stderr
        assert done.stdout.splitlines()[-1].endswith("step 10 of 10")
    return runs
