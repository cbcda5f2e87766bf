from __future__ import annotations

import numpy as np
import pytest

from mtl.evaluation.unified.classification import classification_metrics
from mtl.evaluation.unified.measured import Measured, delta_m, difference, relative_drop
from mtl.evaluation.unified.result import verdict


def test_drop_is_relative_to_the_teacher_and_delta_m_its_mean() -> None:
    pairs = {
        "cls": (Measured(0.9), Measured(0.92)),
        "seg": (Measured(0.5), Measured(0.4)),
        "det": (Measured(0.05), Measured(0.1)),
    }
    assert relative_drop(*pairs["cls"]).value == pytest.approx(0.02 / 0.92)
    assert relative_drop(*pairs["seg"]).value == pytest.approx(-0.25)
    assert delta_m(pairs).value == pytest.approx((-0.02 / 0.92 + 0.25 - 0.5) / 3)
    assert delta_m(pairs).interval() is None


def test_drop_of_equal_models_is_zero_in_every_resample() -> None:
    labels = np.arange(30) % 3
    predicted = np.where(np.arange(30) % 5 == 0, 0, labels)
    model = classification_metrics(predicted, labels, ("a", "b", "c"), resamples=200)["top1"]
    again = classification_metrics(predicted, labels, ("a", "b", "c"), resamples=200)["top1"]
    drop = relative_drop(model, again)
    assert drop.value == 0.0
    assert drop.interval() == (0.0, 0.0)
    assert model.interval().low < model.value


def test_drop_beside_a_teacher_of_zero_is_undefined_and_so_is_delta_m() -> None:
    drop = relative_drop(Measured(0.1), Measured(0.0))
    assert np.isnan(drop.value)
    assert np.isnan(delta_m({"det": (Measured(0.1), Measured(0.0))}).value)
    assert np.isnan(delta_m({}).value)


def test_resamples_that_measured_nothing_are_left_out_of_the_interval() -> None:
    assert Measured(0.5, np.array([np.nan, 0.4, 0.6])).interval(level=1.0) == (0.4, 0.6)
    assert Measured(0.5, np.array([np.nan])).interval() is None


def test_a_difference_is_paired_and_its_verdict_follows_its_interval() -> None:
    first = Measured(0.5, np.array([0.4, 0.5, 0.6]))
    better = Measured(0.6, np.array([0.5, 0.6, 0.7]))
    one = difference(first, better)
    assert one.value == pytest.approx(0.1)
    assert one.interval() == pytest.approx((0.1, 0.1))  # intervals of the two overlap
    assert verdict(one) == "better"
    assert verdict(difference(better, first)) == "worse"
    assert verdict(difference(first, first)) == "no difference"
    assert verdict(difference(first, Measured(0.6))) == "too few images"
