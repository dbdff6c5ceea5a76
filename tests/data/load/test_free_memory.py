"""What a process may still take: the system's memory, and the limits of control groups of both versions."""

from pathlib import Path

import pytest

from cartoon_dist.data.load.free_memory import free_bytes

GIB = 2**30


def written(root: Path, files: dict[str, str]) -> Path:
    for name, text in {"proc/meminfo": f"MemTotal: 9 kB\nMemAvailable: {8 * 2**20} kB\n", **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def group(folder: str, *, limit: object, used: int, cached: int, version: int = 2) -> dict[str, str]:
    names = ("memory.max", "memory.current", "inactive_file")
    if version == 1:
        names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
    return {
        f"{folder}/{names[0]}": f"{limit}\n",
        f"{folder}/{names[1]}": f"{used}\n",
        f"{folder}/memory.stat": f"anon 5\n{names[2]} {cached}\n",
    }


def test_without_limits_it_is_what_the_system_has(tmp_path: Path) -> None:
    assert free_bytes(written(tmp_path, {})) == 8 * GIB


def test_the_tightest_group_counts_also_one_further_out(tmp_path: Path) -> None:
    files = {"proc/self/cgroup": "0::/slurm/job_7/step_0\n"}
    files |= group("sys/fs/cgroup/slurm/job_7/step_0", limit="max", used=2 * GIB, cached=0)
    files |= group("sys/fs/cgroup/slurm/job_7", limit=6 * GIB, used=4 * GIB, cached=GIB)
    files |= group("sys/fs/cgroup/slurm", limit=100 * GIB, used=GIB, cached=0)
    assert free_bytes(written(tmp_path, files)) == 3 * GIB


def test_a_container_whose_own_group_lies_at_the_top(tmp_path: Path) -> None:
    files = {"proc/self/cgroup": "0::/../docker/abc\n"} | group("sys/fs/cgroup", limit=GIB, used=GIB // 4, cached=0)
    assert free_bytes(written(tmp_path, files)) == 3 * GIB // 4


def test_version_1_has_a_huge_number_where_there_is_no_limit(tmp_path: Path) -> None:
    files = {"proc/self/cgroup": "9:cpu:/a\n5:memory:/a/b\n0::/\n"}
    files |= group("sys/fs/cgroup/memory/a/b", limit=9223372036854771712, used=GIB, cached=0, version=1)
    assert free_bytes(written(tmp_path, files)) == 8 * GIB
    files |= group("sys/fs/cgroup/memory/a", limit=2 * GIB, used=GIB, cached=GIB // 2, version=1)
    assert free_bytes(written(tmp_path, files)) == 3 * GIB // 2


def test_more_used_than_allowed_is_nothing_free(tmp_path: Path) -> None:
    files = {"proc/self/cgroup": "0::/a\n"} | group("sys/fs/cgroup/a", limit=GIB, used=2 * GIB, cached=0)
    assert free_bytes(written(tmp_path, files)) == 0


def test_a_system_that_does_not_say(tmp_path: Path) -> None:
    assert free_bytes(tmp_path) is None


def test_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    found = free_bytes()
    total = next(line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal"))
    assert found is not None
    assert 0 < found <= int(total.split()[1]) * 1024
