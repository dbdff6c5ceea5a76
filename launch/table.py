"""python launch/table.py PHOTOS CARTOONS OUT [CONFIG.yaml ...] [key=value ...]: the paper's two tables."""

from cartoon_dist.commands import entry, table

if __name__ == "__main__":
    entry.run(table.main)
