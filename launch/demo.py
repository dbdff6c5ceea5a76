"""python launch/demo.py [OUT] [key=value ...]: the whole path on the embedded pictures, from shards to a report."""

from cartoon_dist.commands.dispatch import run_script

if __name__ == "__main__":
    run_script("demo")
