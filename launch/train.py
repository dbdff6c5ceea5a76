"""accelerate launch launch/train.py CONFIG.yaml [key=value ...]: train a network that turns photos into cartoons."""

from cartoon_dist.commands import entry, train

if __name__ == "__main__":
    entry.run(train.main)
