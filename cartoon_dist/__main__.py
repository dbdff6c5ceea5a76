"""python -m cartoon_dist COMMAND ...: as `cartoon-dist`, where that is not on the path."""

from cartoon_dist.commands.dispatch import main

if __name__ == "__main__":
    main()
