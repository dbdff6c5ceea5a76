"""One process holds a folder at a time."""

import subprocess
import sys
from pathlib import Path

import pytest

from cartoon_dist.errors import CheckpointError
from cartoon_dist.files.locks import lock_folder
from tests.running import environment

HOLD = """
import sys
import threading
from pathlib import Path
from cartoon_dist.files.locks import lock_folder
with lock_folder(Path(sys.argv[1]), RuntimeError()):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_one_process_at_a_time(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(
        command, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(CheckpointError, match="busy"), lock_folder(tmp_path, CheckpointError("busy")):
            pass
        holder.kill()
        holder.wait()
    with lock_folder(tmp_path, CheckpointError("busy")):
        pass
