"""python launch/web.py [MODEL...]: a page to try models in a browser; --static FOLDER writes one without a server."""

from cartoon_dist.commands.dispatch import run_script

if __name__ == "__main__":
    run_script("web")
