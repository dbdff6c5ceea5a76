"""python launch/fid.py RUN [key=value ...], alone or under accelerate launch: score a run."""

from cartoon_dist.commands import fid
from cartoon_dist.commands.main import run_command

if __name__ == "__main__":
    run_command(fid.main)
