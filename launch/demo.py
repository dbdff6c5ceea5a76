"""python launch/demo.py [OUT] [key=value ...]: the whole path on the embedded pictures, from shards to a report."""

from cartoon_dist.commands import demo, entry

if __name__ == "__main__":
    entry.run(demo.main)
