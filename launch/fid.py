"""python launch/fid.py RUN [key=value ...], alone or under accelerate launch: score a run."""

from cartoon_dist.commands.dispatch import run_script

if __name__ == "__main__":
    run_script("fid")
