"""python launch/cartoonize.py MODEL INPUT OUTPUT: draw a picture, or all pictures of a folder."""

from cartoon_dist.commands import cartoonize, entry

if __name__ == "__main__":
    entry.run(cartoonize.main)
