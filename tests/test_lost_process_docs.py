"""What the pages say of a lost process is what the program does, and is the same on both."""

from cartoon_dist.commands.fid import SILENCE_SECONDS
from cartoon_dist.config.train import TrainSettings
from tests.running import ROOT


def test_both_pages_name_the_same_silence() -> None:
    seconds = TrainSettings(run_dir="").silence_seconds
    assert seconds == SILENCE_SECONDS
    for name in ("cluster", "training"):
        page = (ROOT / f"docs/{name}.md").read_text()
        assert f"`silence_seconds` ({seconds:g})" in page, name
        assert "within seconds" in page, name
    assert "half an hour at most" not in (ROOT / "docs/cluster.md").read_text()
