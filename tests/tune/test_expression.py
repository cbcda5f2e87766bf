from __future__ import annotations

import pytest

from mtl.errors import ConfigError
from tune.expression import Expression

KNOWN = ("ao", "fps", "iou", "accuracy", "loss/total", "accuracy/occlusion")
METRICS = {"ao": 0.5, "fps": 20.0, "iou": 0.25, "loss/total": 2.0, "accuracy/occlusion": 0.75}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("ao", 0.5),
        ("-ao", -0.5),
        ("0.7*ao + 0.3*iou", 0.425),
        ("1 / fps", 0.05),
        ("ao/fps", 0.025),
        ("loss/total", 2.0),
        ("ao / loss/total", 0.25),
        ("accuracy/occlusion ** 2", 0.5625),
        ("min(ao, iou)", 0.25),
        ("max(ao)", 0.5),
        ("log(fps / 20)", 0.0),
        ("(ao + iou) / 3", 0.25),
    ],
)
def test_arithmetic_over_metrics(text: str, value: float) -> None:
    assert Expression(text, KNOWN).value(METRICS) == pytest.approx(value)


def test_names_are_those_of_metrics() -> None:
    assert Expression("loss/total * ao + ao/fps", KNOWN).names == ("loss/total", "ao", "fps")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mota", "reports 'mota'"),
        ("ao + loss/nothing", "reports 'loss'"),
        ("ao +", "must be arithmetic"),
        ("ao.real", "reports 'real'"),
        ("min(ao, key=iou)", "reports 'key'"),
        ("[ao]", "must be arithmetic"),
        ("ao if iou else ao", "reports 'if'"),
        ("__import__('os')", "reports '__import__'"),
        ("1 + 1", "names no metric"),
        ("ao()", "must be arithmetic"),
        ("min()*ao", "must be arithmetic"),
        ("ao + True", "reports 'True'"),
        ("", "must be arithmetic"),
    ],
)
def test_what_is_no_arithmetic_over_metrics_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        Expression(text, KNOWN)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("accuracy", "did not report 'accuracy'"),
        ("1 / (ao - ao)", "has no value here"),
        ("log(-ao)", "has no value here"),
        ("(-ao) ** 0.5", "must be a finite number"),
    ],
)
def test_a_run_without_a_value_is_named(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        Expression(text, KNOWN).value(METRICS)
    assert message in str(error.value)
