"""Verify shards, mend them, or index a set built elsewhere: python shards/verify.py OUT [--mend | --index]."""

from cartoon_dist.commands.main import run_command
from cartoon_dist.commands.verify import main

if __name__ == "__main__":
    run_command(main)
