"""Verify shards, mend them, or index a set built elsewhere: python shards/verify.py OUT [--mend | --index]."""

from cartoon_dist.commands.dispatch import run_script

if __name__ == "__main__":
    run_script("shards verify")
