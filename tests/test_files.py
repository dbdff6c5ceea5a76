"""Files written whole, folders held by one."""

import subprocess
import sys
from pathlib import Path

import pytest
from running import environment

from cartoon_dist.errors import CheckpointError
from cartoon_dist.files import alone, write_json, write_whole

HOLD = """
import sys
from pathlib import Path
from cartoon_dist.files import alone
with alone(Path(sys.argv[1]), RuntimeError()):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_writing_replaces_whole_files(tmp_path: Path) -> None:
    write_whole(tmp_path / "new/a", "old")
    write_whole(tmp_path / "new/a", b"\x00new")
    assert (tmp_path / "new/a").read_bytes() == b"\x00new"
    write_json(tmp_path / "new/b", {"x": 1})
    assert [path.name for path in sorted((tmp_path / "new").iterdir())] == ["a", "b"]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    write_whole(tmp_path / "a", "old")
    with pytest.raises(UnicodeEncodeError):
        write_whole(tmp_path / "a", "\ud800")
    assert (tmp_path / "a").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_one_process_at_a_time(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(
        command, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(CheckpointError, match="busy"), alone(tmp_path, CheckpointError("busy")):
            pass
        holder.kill()
        holder.wait()
    with alone(tmp_path, CheckpointError("busy")):
        pass
