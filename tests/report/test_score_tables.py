"""Scores as tables, read back cell by cell."""

import math
import xml.etree.ElementTree as ET
from typing import Any

import pytest

from cartoon_dist.report.rendering import environment
from cartoon_dist.report.run_summary import FolderScores
from cartoon_dist.report.score_tables import score_tables
from tests.report.run_folders import score


def html(*folders: FolderScores) -> str:
    template = environment().get_template("score_table.html.jinja").make_module()
    tables = [str(template.score_table(table)) for table in score_tables(folders)]
    return f"<page>{''.join(tables)}</page>"


def rows(*folders: FolderScores) -> list[list[list[str]]]:
    """Each table's rows, heads first, the protocol's cell left out."""
    page = ET.fromstring(html(*folders))
    return [
        [["".join(cell.itertext()) for cell in row][:-1] for row in table.iter("tr")] for table in page.iter("table")
    ]


def own(*scores: dict[str, Any]) -> FolderScores:
    return FolderScores("", list(scores))


def test_scores_made_together_share_a_row() -> None:
    [table] = rows(
        own(score("fid", 171.204, generator_sha256="a"), score("kid", 0.0513, generator_sha256="a", deviation=0.002))
    )
    assert table == [
        ["", "step", "FID", "KID", "drawings", "cartoons", "features", "weights"],
        ["this run", "10", "171.2", "0.0513 ± 0.002", "26", "166", "inception", "ema"],
    ]


@pytest.mark.parametrize(
    "other",
    [
        score("kid", 1.0, 20),
        score("kid", 1.0, weights="raw"),
        score("kid", 1.0, photos={"split": "train"}),
        score("kid", 1.0) | {"num_generated": 27},
        score("kid", 1.0) | {"features": "efficientnet_lite0"},
        score("kid", 1.0, subject="control"),
    ],
)
def test_scores_made_otherwise_have_rows_of_their_own(other: dict[str, Any]) -> None:
    [table] = rows(own(score("fid", 2.0), other))
    assert [row[2:4] for row in table[1:]] in ([["2", "–"], ["–", "1"]], [["–", "1"], ["2", "–"]])


def test_rows_go_by_step_and_are_named() -> None:
    run_scores = own(score("fid", 3.0, 20), score("fid", 5.0, 0), score("fid", 4.0, 10, subject="warmed up"))
    inside = FolderScores("control", [score("fid", 6.0, 20), score("fid", 7.0, 20, subject="control", weights="raw")])
    other = FolderScores("half", [score("fid", 8.0, 5, subject="no S")])
    [table] = rows(run_scores, inside, other)
    assert [row[:3] for row in table[1:]] == [
        ["untrained", "0", "5"],
        ["half: no S", "5", "8"],
        ["warmed up", "10", "4"],
        ["this run", "20", "3"],
        ["control", "20", "6"],
        ["control", "20", "7"],
    ]


def test_the_error_of_s_stands_beside_the_constant_map() -> None:
    run_scores = own(
        score("saliency_l1_train", 0.087, constant_map=0.2467), score("saliency_l1_test", 0.165, constant_map=0.22)
    )
    [table] = rows(run_scores)
    assert table[0] == [
        "", "step", "photos", "count", "S errs by", "one map for all errs by", "S / one map", "weights"
    ]  # fmt: skip
    assert table[1:] == [
        ["this run", "10", "training", "26", "0.087", "0.2467", "0.35", "ema"],
        ["this run", "10", "held out", "26", "0.165", "0.22", "0.75", "ema"],
    ]


def test_odd_scores_are_shown_as_far_as_they_go() -> None:
    odd: list[dict[str, Any]] = [
        {},
        {"metric": "fid", "protocol": None, "value": math.nan, "step": "ten"},
        {"metric": ["x"], "protocol": [1], "num_generated": True, "features": 3},
        score("saliency_l1_dusk", 0.1, constant_map=0),
    ]
    distances, labels = rows(own(*odd))
    assert len(distances) - 1 == 3
    assert labels[1][2:7] == ["dusk", "26", "0.1", "0", "–"]


def test_the_protocol_is_there_and_escaped() -> None:
    text = html(own(score("fid", 1.0, subject="<script>alert(1)</script>")))
    assert "<script>" not in text
    page = ET.fromstring(text)
    [details] = page.iter("details")
    assert '"subject": "<script>alert(1)</script>"' in "".join(details.itertext())
    assert page.findtext(".//tbody/tr/th") == "<script>alert(1)</script>"
