"""python launch/cartoonize.py MODEL INPUT OUTPUT: draw a picture, or all pictures of a folder."""

from cartoon_dist.commands.dispatch import run_script

if __name__ == "__main__":
    run_script("cartoonize")
