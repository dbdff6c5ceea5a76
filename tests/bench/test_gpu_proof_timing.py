"""Steps that are timed in turn: the order, a kind that fails, and the fields of a measurement."""

from bench.gpu_proof.speed import _count
from bench.gpu_proof.timing import Timed, time_in_turn


def test_kinds_take_turns_and_one_that_fails_is_left_out() -> None:
    called: list[str] = []

    def fails() -> None:
        called.append("bad")
        if called.count("bad") > 1:
            raise RuntimeError("planted")

    kinds = {"bad": Timed("bad", fails), "good": Timed("good", lambda: called.append("good"))}
    time_in_turn(kinds, num_rounds=3, steps_a_round=1, until=lambda: False)
    assert called == ["bad", "good", "bad", "good", "good"]
    assert len(kinds["good"].seconds) == 3
    assert "planted" in kinds["bad"].row(batch_size=1, peak_flops=None)["failure"]


def test_no_round_is_begun_once_time_is_over() -> None:
    timed = Timed("plain", lambda: None)
    time_in_turn({"plain": timed}, num_rounds=5, steps_a_round=2, until=lambda: True)
    assert len(timed.seconds) == 1


def test_a_row_holds_the_median_and_its_share_of_the_ceiling() -> None:
    timed = Timed("plain", seconds=[0.02, 0.05, 0.01], peak_bytes=3 << 20, busy_seconds=0.005, flops=10**10)
    row = timed.row(batch_size=4, peak_flops=1e12)
    assert (row["ms"], row["ms_low"], row["ms_high"]) == (20, 10, 50)
    assert (row["images_per_second"], row["peak_mib"], row["gflop"]) == (200, 3, 10)
    assert (row["idle_share"], row["share_of_ceiling"]) == (0.75, 0.5)
    assert Timed("plain").row(batch_size=4, peak_flops=1e12)["failure"] == "not timed"


def test_what_cannot_be_counted_leaves_the_times() -> None:
    def fails() -> None:
        raise RuntimeError("planted")

    plain, captured = Timed("plain", fails, seconds=[0.1]), Timed("iteration", fails, seconds=[0.1])
    _count({"plain": plain, "iteration": captured})
    row = plain.row(batch_size=1, peak_flops=1e12)
    assert (row["ms"], row["gflop"]) == (100, None)
    assert "planted" in row["not_counted"]
