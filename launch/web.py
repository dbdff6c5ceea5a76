"""python launch/web.py [MODEL...]: a page to try models; with --static FOLDER one that draws in the browser."""

from cartoon_dist.commands.dispatch import run_script

if __name__ == "__main__":
    run_script("web")
