"""Commands as Slurm jobs: python launch/submit.py shards photos PHOTOS... OUT nodes=8 [cluster=slurm|local]."""

from cartoon_dist.commands.dispatch import run_script

if __name__ == "__main__":
    run_script("submit")
