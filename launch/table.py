"""python launch/table.py PHOTOS CARTOONS OUT [CONFIG.yaml ...] [key=value ...]: the paper's two tables."""

from cartoon_dist.commands.dispatch import run_script

if __name__ == "__main__":
    run_script("table")
