"""The verify command as people type it."""

import gzip
import io
import re
import subprocess
import tarfile
from pathlib import Path

import pytest

from cartoon_dist.commands.main import status_of
from cartoon_dist.commands.verify import main
from cartoon_dist.data.format.manifest import read_manifest
from cartoon_dist.errors import ShardError
from tests.running import ROOT, script

CARTOONS = sorted((ROOT / "shards" / "samples" / "cartoons").glob("*-1.jpg"))


def run(name: str, *words: str | Path) -> subprocess.CompletedProcess[str]:
    return script(f"shards/{name}", *words)


def test_all_findings_then_one_error_then_mended(tmp_path: Path) -> None:
    out = tmp_path / "out"
    made = run("cartoons.py", *CARTOONS, out, "image_size=32", "num_workers=1", "samples_per_shard=1")
    assert made.returncode == 0, made.stderr
    first, second = sorted(out.glob("*.tar"))
    before = first.read_bytes()
    first.write_bytes(before[:3000])
    second.unlink()

    failed = run("verify.py", out)
    assert (failed.returncode, failed.stdout) == (2, "")
    *findings, error = failed.stderr.splitlines()
    assert any(line.startswith("cartoon-000000.tar: sample '000000-concert-1' has") for line in findings)
    assert "cartoon-000001.tar: cannot be read (No such file or directory)" in findings
    assert error.startswith(f"error: {out}: ")
    assert error.endswith(f"mend it with shards/verify.py {out} --mend")

    mended = run("verify.py", out, "--mend")
    assert mended.returncode == 0, mended.stderr
    assert mended.stdout.rstrip().endswith("all as written; 2 rebuilt")
    assert first.read_bytes() == before


def test_one_cause_is_one_line_however_many_samples_it_hits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for number in range(50):
            for name, data in ((f"k{number}.photo.jpg", CARTOONS[0].read_bytes()), (f"k{number}.cls", b"3")):
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    assert status_of(main, [str(tmp_path), "--index"]) == 2
    line, error = capsys.readouterr().err.splitlines()
    assert line.startswith("a.tar: sample 'k0' has a member cls; ")
    assert line.endswith("; the like 49 times more: a.tar: 'k1', a.tar: 'k2', a.tar: 'k3', ...")
    assert error.startswith(f"error: {tmp_path}: 50 findings in 1 file, ")
    command = re.findall(r"take it out: (.*?done)", line)[0]
    subprocess.run(["bash", "-c", command], check=True)
    with tarfile.open(tmp_path / "a.tar") as tar:
        assert {name.rpartition(".")[2] for name in tar.getnames()} == {"jpg"}


@pytest.mark.parametrize("name", ["a.tar.gz", "a.tgz", "a.tar"])
def test_a_tar_in_place_of_its_folder_is_told_how_to_unpack_it(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_bytes(gzip.compress(b"tar"))
    for words in (["--index"], []):
        assert status_of(main, [str(tmp_path / name), *words]) == 2
        assert f"{name}: is a file packed by gzip, not a folder; unpack it with '" in capsys.readouterr().err
    assert status_of(main, [str(tmp_path), "--index"]) == 2
    command = re.findall(r"unpack (?:it: |with ')(.*?)['\n;]", capsys.readouterr().err)[0]
    subprocess.run(["bash", "-c", command], check=True)
    assert (tmp_path / "a.tar").read_bytes() == b"tar"


def test_training_is_told_that_a_tar_is_no_shard_folder(tmp_path: Path) -> None:
    (tmp_path / "a.tar").touch()
    with pytest.raises(ShardError, match=r"a\.tar: is a file; give the folder that holds the tars"):
        read_manifest(tmp_path / "a.tar")


def test_a_folder_that_is_none_is_one_line() -> None:
    failed = run("verify.py", "nowhere")
    assert (failed.returncode, failed.stdout) == (2, "")
    assert failed.stderr == "error: nowhere: no such folder; build it with shards/photos.py or shards/cartoons.py\n"


def test_a_set_from_elsewhere_is_indexed_verified_and_not_mended(tmp_path: Path) -> None:
    out = tmp_path / "out"
    made = run("cartoons.py", *CARTOONS, out, "image_size=32", "num_workers=1")
    assert made.returncode == 0, made.stderr
    for path in out.glob("*.json"):
        path.unlink()
    assert "tars without a manifest.json; make it with" in run("verify.py", out).stderr

    indexed = run("verify.py", out, "--index", "test_fraction=0.5", "seed=1")
    assert indexed.returncode == 0, indexed.stderr
    assert indexed.stdout == f"{out}: 2 cartoons in 1 shard (1 train, 1 test), indexed\n"  # as their KEY.json say
    again = run("verify.py", out, "--index", "test_fraction=0.5", "seed=1")
    assert again.stdout.endswith("(1 train, 1 test); nothing left to do\n")
    assert run("verify.py", out).stdout.endswith("all as written\n")

    tar = out / "cartoon-000000.tar"
    tar.write_bytes(tar.read_bytes()[:-700])
    failed = run("verify.py", out)
    assert failed.stderr.splitlines()[-1].endswith("bring its tars again from where they were built")
    for words, complaint in (
        (["--mend"], "no job built it here, so there are no pictures to rebuild it from"),
        (["--index", "test_fraction=0.5", "seed=1"], "differs (cartoon-000000.tar is not as it was)"),
        (["seed=1"], "seed=1: only --index takes settings"),
        (["--index", "seed=many"], "seed: Input should be a valid integer"),
    ):
        failed = run("verify.py", out, *words)
        assert (failed.returncode, failed.stdout) == (2, "")
        assert complaint in failed.stderr.splitlines()[-1]
        assert failed.stderr.splitlines()[-1].startswith("error: ")
