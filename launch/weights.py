"""python launch/weights.py fetch | list: pretrained weights, hashes checked; the only command that downloads."""

from cartoon_dist.commands.dispatch import run_script

if __name__ == "__main__":
    run_script("weights")
