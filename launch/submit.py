"""Commands as Slurm jobs: python launch/submit.py shards photos PHOTOS... OUT nodes=8 [cluster=slurm|local]."""

from cartoon_dist.commands.main import run_command
from cartoon_dist.commands.submit import main

if __name__ == "__main__":
    run_command(main)
