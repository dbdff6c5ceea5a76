"""Verify shards, or mend them: python shards/verify.py OUT [--mend]."""

from cartoon_dist.commands.entry import run
from cartoon_dist.commands.verify import main

if __name__ == "__main__":
    run(main)
