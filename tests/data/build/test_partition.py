"""A job in slices: every shard built once, in any order of the slices the same bytes as on one machine."""

import dataclasses
import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartoon_dist.data.build.partition import Slice, parse_slice
from cartoon_dist.data.build.pipeline import lock_shards
from cartoon_dist.errors import ConfigError, ShardError
from tests.data.shard_folders import SMALL, build_shards, file_hashes, link_samples, link_with_copies

TINY = dataclasses.replace(SMALL, samples_per_shard=1)


@given(num_shards=st.integers(0, 200), of=st.integers(1, 40))
def test_slices_are_runs_that_cover_all_shards_once_and_evenly(num_shards: int, of: int) -> None:
    slices = [Slice(number, of).shards(num_shards) for number in range(1, of + 1)]
    assert list(itertools.chain(*slices)) == list(range(num_shards))
    assert max(map(len, slices)) - min(map(len, slices)) <= 1


@pytest.mark.parametrize("text", ["0/8", "9/8", "3", "3/", "a/b", "-1/8", "1/0", "01/8"])
def test_malformed_slices_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="from 1/8 to 8/8"):
        parse_slice(text)


def test_str_of_a_slice_is_what_is_parsed() -> None:
    assert str(parse_slice("3/8")) == "3/8"


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 1, 2), (2, 3, 1)])
def test_slices_in_any_order_give_the_bytes_of_one_machine(tmp_path: Path, order: tuple[int, ...]) -> None:
    inputs = link_samples(tmp_path / "in", 7)
    whole = build_shards(inputs, tmp_path / "whole", TINY)
    *first, last = (build_shards(inputs, tmp_path / "out", TINY, slice_=Slice(number, 3)) for number in order)
    assert [result.finished for result in first] == [None, None]
    assert [result.num_remaining for result in first] == [7 - first[0].num_new, last.num_new]
    assert last.finished == whole.finished
    assert file_hashes(tmp_path / "out") == file_hashes(tmp_path / "whole")


@pytest.mark.parametrize("order", list(itertools.permutations((1, 2, 3))))
def test_slices_in_any_order_remove_the_same_near_duplicates(tmp_path: Path, order: tuple[int, ...]) -> None:
    inputs, settings = link_with_copies(tmp_path / "in"), dataclasses.replace(TINY, dedup=True)
    whole = build_shards(inputs, tmp_path / "whole", settings)
    assert len(whole.finished.manifest.skipped) == 3
    for number in order:
        build_shards(inputs, tmp_path / "out", settings, slice_=Slice(number, 3))
    assert file_hashes(tmp_path / "out") == file_hashes(tmp_path / "whole")  # and no file of hashes is left


def test_a_slice_without_shards_does_nothing(tmp_path: Path) -> None:
    inputs = link_samples(tmp_path / "in", 1)
    assert build_shards(inputs, tmp_path / "out", TINY, slice_=Slice(1, 2)).num_new == 0
    assert build_shards(inputs, tmp_path / "out", TINY, slice_=Slice(2, 2)).finished


def test_a_job_locks_its_own_shards_only(tmp_path: Path) -> None:
    inputs = link_samples(tmp_path / "in", 4)
    (tmp_path / "out").mkdir()
    with lock_shards(tmp_path / "out", range(1, 3)):
        for number, of in ((2, 4), (1, 2), (1, 1)):
            with pytest.raises(ShardError, match="another job is writing there"):
                build_shards(inputs, tmp_path / "out", TINY, slice_=Slice(number, of))
        assert build_shards(inputs, tmp_path / "out", TINY, slice_=Slice(1, 4)).num_remaining == 3
        assert build_shards(inputs, tmp_path / "out", TINY, slice_=Slice(4, 4)).num_remaining == 2


def test_broken_pictures_of_all_slices_count_together(tmp_path: Path) -> None:
    inputs = link_samples(tmp_path / "in", 2)
    for name in ("0.jpg", "z.jpg"):
        (inputs / name).write_bytes(b"no picture")
    settings = dataclasses.replace(TINY, max_broken=0.25)
    for number in (1, 2, 3):
        assert not build_shards(inputs, tmp_path / "out", settings, slice_=Slice(number, 4)).finished
    with pytest.raises(ShardError, match="2 of 4 pictures are broken"):
        build_shards(inputs, tmp_path / "out", settings, slice_=Slice(4, 4))
    assert build_shards(inputs, tmp_path / "out", dataclasses.replace(settings, max_broken=0.5)).num_new == 0
