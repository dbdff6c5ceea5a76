"""The folders that --help names are those which the demo leaves."""

from pathlib import Path

from cartoon_dist.commands.command_lines import cartoonize, fid, report
from cartoon_dist.commands.demo import Places

LEFT = Places(Path("runs/demo"))


def test_examples_name_what_the_demo_leaves() -> None:
    for room in (cartoonize, fid, report):
        words = [word for word in (room.parser().epilog or "").split() if word.startswith("runs/")]
        assert words[0] == str(LEFT.run.root), room.__name__
        # Another one is pictures to draw; the last one is made.
        assert len(words) in (1, 3), room.__name__
        assert words[1:2] in ([], [str(LEFT.cartoons)]), room.__name__
