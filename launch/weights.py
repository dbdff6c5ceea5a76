"""python launch/weights.py fetch | list: pretrained weights, hashes checked; the only command that downloads."""

from cartoon_dist.commands import weights
from cartoon_dist.commands.main import run_command

if __name__ == "__main__":
    run_command(weights.main)
