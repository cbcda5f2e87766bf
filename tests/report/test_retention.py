"""The table of what is left of each task."""

from __future__ import annotations

import csv
import io
import math
import xml.etree.ElementTree as ElementTree

from mtl.evaluation.retention import Outcome
from mtl.report.retention import (
    LABELS,
    RetentionTable,
    phases_csv,
    retention_csv,
    retention_page,
)
from mtl.report.retention_chart import retention_svg
from tests.evaluation.test_retention import FORGETFUL, SINGLE

METRICS = {"seg": "miou", "det": "map", "cls": "top1"}
JOINT = Outcome("joint", [("", {"seg": 0.55, "det": 0.2, "cls": 0.72})])
TABLE = RetentionTable("run <1>", "test", METRICS, SINGLE, [JOINT, FORGETFUL])


def test_rows_are_single_tasks_joint_and_methods() -> None:
    assert TABLE.headers == (
        "method", "miou", "map", "top1", "average", "miou forgotten", "map forgotten",
        "backward transfer", "delta_m",
    )  # fmt: skip
    assert TABLE.shown() == [
        ("single-task", "0.500", "0.200", "0.800", "0.500", "–", "–", "–", "0.000"),
        ("joint, taught", "0.550", "0.200", "0.720", "0.490", "–", "–", "–", "0.000"),
        ("fine-tuning", "0.100", "0.150", "0.800", "0.350", "0.400", "-0.050", "-0.175", "-0.350"),
    ]


def test_every_phase_shows_the_tasks_that_were_learned_so_far() -> None:
    assert TABLE.phase_headers == ("method", "after", "miou", "map", "top1")
    assert TABLE.phases_shown() == [
        ("joint, taught", "all at once", "0.550", "0.200", "0.720"),
        ("fine-tuning", "seg", "0.500", "–", "–"),
        ("fine-tuning", "det", "0.300", "0.100", "–"),
        ("fine-tuning", "cls", "0.100", "0.150", "0.800"),
    ]
    rows = list(csv.DictReader(io.StringIO(phases_csv(TABLE))))
    assert rows[2] == {
        "method": "fine-tuning", "after": "det", "miou": "0.3", "map": "0.1", "top1": "",
    }  # fmt: skip


def test_csv_has_every_digit_and_nothing_for_nothing() -> None:
    unknown = Outcome("none", [("seg", {"seg": math.nan}), ("cls", {"seg": 0.1 + 0.2, "cls": 1.0})])
    table = RetentionTable("a", "test", {"seg": "miou", "cls": "top1"}, SINGLE, [unknown])
    rows = list(csv.DictReader(io.StringIO(retention_csv(table))))
    assert rows[1]["miou"] == "0.30000000000000004"
    assert rows[1]["miou forgotten"] == ""
    assert rows[0]["delta_m"] == "0.0"


def test_the_page_loads_nothing_and_says_what_the_chart_shows() -> None:
    page = retention_page(TABLE)
    assert "run &lt;1&gt;" in page
    assert "<script" not in page
    assert 'src="http' not in page
    assert "fine-tuning 0.100, 0.150, 0.800" in page
    assert '<th scope="row">fine-tuning</th><td>det</td><td>0.300</td><td>0.100</td>' in page
    assert retention_page(TABLE) == page


def test_the_chart_has_a_panel_for_each_task_and_a_name_for_each_line() -> None:
    svg = retention_svg(METRICS, SINGLE, TABLE.outcomes, LABELS)
    texts = {x.text for x in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")}
    assert {*METRICS.values(), "single-task", "joint, taught", "fine-tuning"} <= texts
