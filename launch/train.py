"""accelerate launch launch/train.py CONFIG.yaml [key=value ...]: train a network that turns photos into cartoons."""

from cartoon_dist.commands import train
from cartoon_dist.commands.main import run_command

if __name__ == "__main__":
    run_command(train.main)
