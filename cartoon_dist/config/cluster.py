"""Every setting of a job, and its default; read as config/train.py says."""

from typing import Annotated, Literal

from pydantic import Field

from cartoon_dist.config.fields import Count, settings_dataclass

JobCount = Annotated[int, Field(ge=1, le=100_000)]
SlurmNames = Annotated[str, Field(pattern=r"^[\w.@+][\w.,:@+-]*$", max_length=255)]
"""A name that Slurm knows, or several separated by commas."""
SlurmConstraint = Annotated[str, Field(pattern=r"^[\w.@+\[(][\w.,:@+&|*()\[\]-]*$", max_length=255)]
"""Features of nodes, combined by Slurm's operators: `gpu&(a100|h100)`."""


@settings_dataclass
class ClusterSettings:
    """Where a command runs as a job, and what resources it requests."""

    # slurm: submitted to the queue; local: processes on this machine, waited for.
    cluster: Literal["slurm", "local"] = "slurm"
    # Shards: tasks, each on a node (or a share of one) of its own. Training and scores: nodes that work together.
    nodes: JobCount = 1
    # Training and scores: the GPUs of a node, with a process for each; with 0 the processes of a node, on its CPUs.
    gpus_per_node: Annotated[int, Field(ge=0, le=1024)] = 0
    processes_per_node: JobCount = 1
    # CPU cores of a task.
    cpus: JobCount = 8
    # Memory of a task in GiB; null asks for what the partition gives.
    mem_gb: Annotated[float, Field(gt=0, le=1e6)] | None = None
    # The time limit of a task; one that reaches it goes back into the queue and goes on.
    time_hours: Annotated[float, Field(gt=0, le=24 * 366)] = 4.0
    # How many tasks may run at once; null is all.
    at_once: Count | None = None
    partition: SlurmNames | None = None
    account: SlurmNames | None = None
    qos: SlurmNames | None = None
    constraint: SlurmConstraint | None = None

    @property
    def tasks_per_node(self) -> int:
        """How many processes of a job that works together run on each node."""
        return self.gpus_per_node or self.processes_per_node
