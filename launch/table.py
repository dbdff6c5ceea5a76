"""python launch/table.py PHOTOS CARTOONS OUT [CONFIG.yaml ...] [key=value ...]: the paper's two tables."""

from cartoon_dist.commands import table
from cartoon_dist.commands.main import run_command

if __name__ == "__main__":
    run_command(table.main)
