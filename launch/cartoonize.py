"""python launch/cartoonize.py MODEL INPUT OUTPUT: draw a picture, or all pictures of a folder."""

from cartoon_dist.commands import cartoonize
from cartoon_dist.commands.main import run_command

if __name__ == "__main__":
    run_command(cartoonize.main)
