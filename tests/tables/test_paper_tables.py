"""The paper's tables from results made up by hand."""

from dataclasses import replace

import pytest

from cartoon_dist.tables.paper_curves import charts_of_results, distances_by_step
from cartoon_dist.tables.paper_tables import ROWS, RowResult, render_html, render_markdown, table, verdict

BY_KEY = {row.key: row for row in ROWS}


def result(key: str, distance: float, *, seed: int = 0, error: float = 1.0, images: int = 800) -> RowResult:
    return RowResult(
        row=BY_KEY[key],
        seed=seed,
        scores={"fid": distance, "lpips": 0.5},
        errors={"fid": error},
        images=images,
        seconds=90.0,
        parameters=12_345,
        gmac=54.4,
    )


def test_the_papers_own_numbers() -> None:
    """As the paper has them; White-box, AnimeGAN and its own method in Table 2."""
    first = [row[:3] for row in table([], 1)[1]]
    assert first == [
        ["CartoonGAN", "175.65", "161.33"],
        ["CartoonGAN+Sal", "169.24", "155.65"],
        ["CartoonGAN+Sal+Cbam", "165.77", "152.87"],
        ["CartoonGAN+Ressal+Cbam", "162.54", "149.71"],
    ]
    second = {row[0].split(" ")[0]: row[1:3] for row in table([], 2)[1]}
    assert second == {
        "White-box": ["171.78", "156.47"],
        "AnimeGAN": ["167.42", "151.84"],
        "CartoonGAN+Ressal+Cbam": ["162.54", "149.71"],
    }


def test_means_and_deviations_over_the_seeds() -> None:
    heads, rows = table([result("sal", 100.0), result("sal", 104.0, seed=1), result("sal", 108.0, seed=2)], 1)
    row = dict(zip(heads, next(row for row in rows if row[0] == "CartoonGAN+Sal"), strict=True))
    assert row["fid, here"] == "104.00 ± 4.00"
    assert row["seeds"] == "0, 1, 2"
    assert (row["images seen"], row["minutes"], row["parameters"], row["GMAC"]) == ("800", "1.5", "12,345", "54.4")
    other = dict(zip(heads, rows[0], strict=True))
    assert other["fid, here"] == "not trained yet"
    [single] = [row for row in table([result("sal", 100.0, error=2.5)], 1)[1] if row[0] == "CartoonGAN+Sal"]
    assert single[3] == "100.00 (standard error 2.5)"


@pytest.mark.parametrize(
    ("distances", "words"),
    [
        ((120.0, 110.0, 100.0, 90.0), ["holds (+10"] * 3 + ["holds (+30"]),
        (
            (120.0, 119.0, 130.0, 129.5),
            ["is within noise (+1", "does not hold (-11", "is within noise (+0.5", "does not hold (-9.5"],
        ),
    ],
)
def test_the_verdict_is_a_steps_size_against_its_scatter(distances: tuple[float, ...], words: list[str]) -> None:
    keys = [row.key for row in ROWS if 1 in row.tables]
    said = verdict([result(key, distance) for key, distance in zip(keys, distances, strict=True)])
    # Two standard errors of 1 together scatter by the root of 2; twice that is 2.8.
    assert "twice its scatter 2.8" in said
    steps = said.removeprefix("The order of Table 1: ").rstrip(".").split("; ")
    assert len(steps) == 4
    assert all(word in step for word, step in zip(words, steps, strict=True))


def test_of_several_seeds_the_scatter_is_that_of_their_mean() -> None:
    values = [result("cartoongan", value, seed=seed) for seed, value in enumerate((100.0, 104.0, 108.0, 104.0))]
    said = verdict([*values, result("sal", 90.0, error=0.0)])
    # The deviation d is the root of 32 / 3; of the mean of four d / 2, of the single one d: together 1.118 d = 3.65.
    assert "CartoonGAN > CartoonGAN+Sal holds (+14, twice its scatter 7.3)" in said
    assert "not trained yet: CartoonGAN+Sal > CartoonGAN+Sal+Cbam" in said


def test_the_deviation_over_seeds_is_that_of_all_rows_together() -> None:
    still = [result("cartoongan", 100.0, seed=seed) for seed in range(3)]
    said = verdict([*still, *(result("sal", value, seed=seed) for seed, value in enumerate((90.0, 96.0, 102.0)))])
    # Squares 0 and 72 over 2 + 2 degrees of freedom: 18; each mean of three has a third of it, together 12.
    assert "CartoonGAN > CartoonGAN+Sal is within noise (+4, twice its scatter 6.9)" in said


def test_both_pages_hold_both_tables_and_escape_what_they_show() -> None:
    results = [result("cartoongan", 100.0)]
    text = render_markdown(results, ["`a < b`"])
    assert text.count("| CartoonGAN | 175.65 |") == 1
    assert "## Table 2" in text
    page = render_html(results, ["a < b"], grid="data:image/png;base64,AA==")
    assert "a &lt; b" in page
    assert page.count("<table>") == 2
    assert 'src="data:image/png;base64,AA=="' in page


def result_by_step(key: str, seed: int, distances: dict[int, float], content: dict[int, float]) -> RowResult:
    return replace(result(key, 100.0, seed=seed), distances=distances, losses={"loss/content": content})


def test_a_distance_by_step_is_a_mean_over_seeds_at_the_steps_that_all_have() -> None:
    results = [
        result_by_step("sal", 0, {10: 120.0, 20: 100.0}, {5: 1.0, 10: 0.5}),
        result_by_step("sal", 1, {10: 124.0, 20: 104.0, 30: 99.0}, {5: 3.0, 10: 0.7}),
        result_by_step("whitebox", 0, {20: 110.0}, {5: 9.0, 10: 8.0}),
    ]
    assert distances_by_step(results) == (
        ["step", "10", "20"],
        [["CartoonGAN+Sal", "122", "102"], ["White-box", "–", "110"]],
    )
    distance, content = charts_of_results(results)
    assert [(line.name, line.values.tolist()) for line in distance.series] == [
        ("CartoonGAN+Sal", [122.0, 102.0]),
        ("White-box", [110.0]),
    ]
    # White-box looks through other weights: its content is not on the same scale.
    assert [(line.name, line.values.tolist()) for line in content.series] == [("CartoonGAN+Sal", [2.0, 0.6])]
    assert "| CartoonGAN+Sal | 122 | 102 |" in render_markdown(results, [], distances_by_step(results))


def test_scores_of_the_last_step_alone_give_no_curve() -> None:
    results = [result_by_step("sal", 0, {20: 100.0}, {})]
    assert distances_by_step(results) == ([], [])
    assert charts_of_results(results) == []
    assert "after steps" not in render_markdown(results, [], distances_by_step(results))
