"""The paper's tables from results made up by hand."""

import pytest

from cartoon_dist.evaluate.paper_tables import ROWS, Result, html, markdown, table, verdict

BY_KEY = {row.key: row for row in ROWS}


def result(key: str, distance: float, *, seed: int = 0, error: float = 1.0, images: int = 800) -> Result:
    return Result(
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
        ((120.0, 110.0, 100.0, 90.0), ["holds (+10"] * 3),
        ((120.0, 119.0, 130.0, 129.5), ["is within noise (+1", "does not hold (-11", "is within noise (+0.5"]),
    ],
)
def test_the_verdict_is_a_steps_size_against_its_scatter(distances: tuple[float, ...], words: list[str]) -> None:
    keys = [row.key for row in ROWS if 1 in row.tables]
    said = verdict([result(key, distance) for key, distance in zip(keys, distances, strict=True)])
    # Two standard errors of 1 together scatter by the root of 2; twice that is 2.8.
    assert "twice its scatter 2.8" in said
    steps = said.removeprefix("The order of Table 1: ").rstrip(".").split("; ")
    assert len(steps) == 3
    assert all(word in step for word, step in zip(words, steps, strict=True))


def test_of_several_seeds_the_scatter_is_that_of_their_mean() -> None:
    values = [result("cartoongan", value, seed=seed) for seed, value in enumerate((100.0, 104.0, 108.0, 104.0))]
    said = verdict([*values, result("sal", 90.0, error=0.0)])
    # The deviation is the root of 32 / 3, over the root of 4; twice that is 3.27.
    assert "CartoonGAN > CartoonGAN+Sal holds (+14, twice its scatter 3.3)" in said
    assert "not trained yet: CartoonGAN+Sal > CartoonGAN+Sal+Cbam" in said


def test_both_pages_hold_both_tables_and_escape_what_they_show() -> None:
    results = [result("cartoongan", 100.0)]
    text = markdown(results, ["`a < b`"])
    assert text.count("| CartoonGAN | 175.65 |") == 1
    assert "## Table 2" in text
    page = html(results, ["a < b"], grid="data:image/png;base64,AA==", style="td { color: red }")
    assert "a &lt; b" in page
    assert page.count("<table>") == 2
    assert 'src="data:image/png;base64,AA=="' in page
