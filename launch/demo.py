"""python launch/demo.py [OUT] [key=value ...]: the whole path on the embedded pictures, from shards to a report."""

from cartoon_dist.commands import demo
from cartoon_dist.commands.main import run_command

if __name__ == "__main__":
    run_command(demo.main)
