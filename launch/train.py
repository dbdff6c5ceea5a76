"""accelerate launch launch/train.py CONFIG.yaml [key=value ...]: train a network that turns photos into cartoons."""

from cartoon_dist.commands.dispatch import run_script

if __name__ == "__main__":
    run_script("train")
