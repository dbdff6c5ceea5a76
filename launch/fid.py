"""python launch/fid.py RUN [key=value ...], alone or under accelerate launch: score a run."""

from cartoon_dist.commands import entry, fid

if __name__ == "__main__":
    entry.run(fid.main)
