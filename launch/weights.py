"""python launch/weights.py fetch | list: pretrained weights, hashes checked; the only command that downloads."""

from cartoon_dist.commands import entry, weights

if __name__ == "__main__":
    entry.run(weights.main)
