"""What is measured and stored in which pass: counted slowly, tried exhaustively, and as the passes really do it."""

from itertools import combinations

import pytest
import torch

from cartoon_dist.inference import tiled
from cartoon_dist.inference.row_maps import RowMap
from cartoon_dist.inference.strip_plan import Forward, Pass, plan, size
from cartoon_dist.inference.tracing import trace
from tests.inference.networks import KINDS, noise_photo, small_generator

ALL_STORED = 10**12


def forward(kind: str) -> Forward:
    return Forward(trace(small_generator(kind), torch.zeros(()).expand(1, 3, 64, 48)))


def stored_maps(passes: list[Pass]) -> list[RowMap]:
    return [row_map for one_pass in passes for row_map in one_pass.stored]


def computed_by(passes: list[Pass], number: int) -> set[RowMap]:
    """All maps that a pass computes: from its targets down to what is there already."""
    there = {row_map for one_pass in passes[:number] for row_map in [*one_pass.stored, *one_pass.pooled]}
    found: set[RowMap] = set()

    def visit(row_map: RowMap) -> None:
        if row_map not in there and row_map not in found and row_map.stored is None:
            found.add(row_map)
            for source in row_map.sources:
                visit(source)

    for target in passes[number].targets:
        visit(target)
    return found


def read_by(passes: list[Pass], number: int) -> set[RowMap]:
    """The stored maps from which a pass computes."""
    stored = {row_map for one_pass in passes[:number] for row_map in one_pass.stored}
    return {source for row_map in computed_by(passes, number) for source in row_map.sources} & stored


def stored_after(passes: list[Pass]) -> list[int]:
    """The bytes that are stored after each pass, without the root's."""
    root, numbers = passes[-1].stored[-1], range(len(passes))
    last = {one: max((n for n in numbers if one in read_by(passes, n)), default=-1) for one in stored_maps(passes)}
    return [
        sum(4 * size(one) for begun in passes[: n + 1] for one in begun.stored if one is not root and last[one] > n)
        for n in numbers
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_all_that_is_measured_is_there_before_it_is_needed(kind: str) -> None:
    passes = plan(forward(kind).root)
    measured: set[RowMap] = set()
    for number, one_pass in enumerate(passes):
        for row_map in computed_by(passes, number):
            for source in row_map.sources:
                waits = type(row_map).__name__ in ("Normalised", "Pooled")
                assert not waits or source in measured
        measured |= set(one_pass.measured)
    assert measured == {row_map for row_map in forward_maps(passes) if row_map.needs_moments}


def forward_maps(passes: list[Pass]) -> set[RowMap]:
    return {row_map for number in range(len(passes)) for row_map in computed_by(passes, number)}


@pytest.mark.parametrize("kind", KINDS)
def test_where_all_is_stored_no_convolution_is_computed_twice(kind: str) -> None:
    """But for narrow ones, which take less time than it takes to write their result and to read it."""
    one = forward(kind)
    passes = one.passes(one.choice(ALL_STORED))
    seen: set[RowMap] = set()
    for number in range(len(passes)):
        large = {row_map for row_map in computed_by(passes, number) if row_map.products > 80 and row_map.height > 1}
        assert not large & seen
        seen |= large


@pytest.mark.parametrize("kind", KINDS)
def test_the_memory_is_what_a_slow_count_finds_and_within_the_limit(kind: str) -> None:
    one = forward(kind)
    small = {row_map for row_map in one.candidates if row_map.height < 64}
    limit = one.costs(small).memory
    for allowed in (limit // 2, limit, 2 * limit):
        chosen = one.choice(allowed)
        assert one.costs(chosen).memory == max(stored_after(one.passes(chosen))) <= allowed
    assert max(stored_after(plan(one.root))) <= limit


@pytest.mark.parametrize("kind", ["none resize", "none transposed change"])
def test_no_other_choice_takes_much_less_work(kind: str) -> None:
    """Of all choices of maps, within several limits."""
    one = forward(kind)
    maps = [row_map for row_map in one.candidates if row_map.products or row_map.needs_moments]
    every = [one.costs(chosen) for num in range(len(maps) + 1) for chosen in combinations(maps, num)]
    everything = one.costs(one.choice(ALL_STORED)).memory
    for allowed in (everything // 4, everything // 2, everything):
        least = min(costs.work for costs in every if costs.memory <= allowed)
        assert one.costs(one.choice(allowed)).work <= 1.05 * least


def test_more_memory_saves_work() -> None:
    one = forward("projection resize cbam")
    everything = one.costs(one.choice(ALL_STORED))
    works = [one.costs(one.choice(everything.memory * eighths // 8)).work for eighths in (2, 4, 6, 8)]
    assert works == sorted(works, reverse=True)
    assert works[0] > 1.2 * works[-1] == 1.2 * everything.work


@pytest.mark.parametrize("kind", ["projection resize cbam", "animegan"])
def test_the_passes_store_what_is_planned_and_give_it_up(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made, photo = small_generator(kind), noise_photo(64, 48)
    planned = plan(trace(made, photo))
    expected = stored_after(planned)
    found: list[int] = []
    kept: list[RowMap] = []
    run = tiled._run

    def counted(one_pass: Pass, *arguments: object, **options: object) -> None:
        run(one_pass, *arguments, **options)  # type: ignore[arg-type]
        kept.extend(one_pass.stored)
        found.append(sum(4 * one.channels * one.width * one.stored.num_rows_kept for one in kept if one.stored))

    monkeypatch.setattr(tiled, "_run", counted)
    tiled.generate_in_strips(made, photo, rows=16)
    assert found[:-1] == expected[:-1]
    assert found[-1] == 4 * 3 * 64 * 48
