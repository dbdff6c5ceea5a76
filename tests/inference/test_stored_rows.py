"""Rows of maps kept in pieces, and the memory that serves one piece after another."""

import pytest
import torch

from cartoon_dist.inference.stored_rows import RowMemory, Scratch, StoredRows

WHOLE = torch.arange(2 * 12 * 3, dtype=torch.float32).view(1, 2, 12, 3)


def stored(memory: RowMemory | None = None) -> StoredRows:
    rows = StoredRows(memory=memory)
    for first, end in ((0, 4), (4, 8), (8, 12)):
        rows.append(first, WHOLE[:, :, first:end].contiguous())
    return rows


@pytest.mark.parametrize("scratch", [None, Scratch()])
def test_any_rows_are_read_across_pieces(scratch: Scratch | None) -> None:
    rows = stored()
    for first in range(12):
        for end in range(first + 1, 13):
            assert torch.equal(rows.read((first, end), scratch), WHOLE[:, :, first:end])


def test_a_scratch_is_used_again_also_for_fewer_rows_of_another_type() -> None:
    scratch = Scratch()
    many = scratch.rows([1, 2, 6, 3], torch.float32)
    few = scratch.rows([1, 3, 5, 3], torch.uint8)
    assert few.shape == (1, 3, 5, 3)
    assert few.is_contiguous()
    assert few.data_ptr() == many.data_ptr()
    assert scratch.rows([1, 2, 7, 3], torch.float32).data_ptr() != many.data_ptr()


def test_rows_given_up_serve_the_next_of_their_size() -> None:
    memory = RowMemory()
    rows, others = stored(memory), memory.rows([1, 2, 4, 3], torch.float32)
    rows.give_up_above(8)
    assert rows.num_rows_kept == 4
    again = [memory.rows([1, 2, 4, 3], torch.float32) for _ in range(3)]
    assert len({one.data_ptr() for one in (*again, others)}) == 4, "no two have the same memory"
    again[0].fill_(-1.0)
    again[1].fill_(-2.0)
    assert torch.equal(rows.read((8, 12)), WHOLE[:, :, 8:])
    assert memory.rows([1, 3, 4, 2], torch.float32).shape == (1, 3, 4, 2)


def test_no_more_than_its_bound_is_kept_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RowMemory, "MAX_FREE_BYTES", 200)
    memory = RowMemory()
    blocks = [memory.rows([1, 1, 1, 25], torch.float32) for _ in range(4)]
    places = [block.data_ptr() for block in blocks]
    for block in blocks:
        memory.give_up(block)
    kept = [memory.rows([1, 1, 25, 1], torch.float32).data_ptr() for _ in range(2)]
    assert kept == places[2:], "the ones given up last"
