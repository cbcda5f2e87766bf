from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mtl.errors import DataError, ShapeError
from mtl.evaluation.condition_results import (
    PredictedConditions,
    conditions_file,
    read_conditions,
    write_conditions,
)

NAMES = ("occlusion", "normal")
VALUES = np.array([[np.nan, np.nan], [0.25, 0.75], [1.0, 0.0]])


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_conditions(tmp_path, "t", "s", PredictedConditions(NAMES, VALUES))
    text = (tmp_path / "t" / "s" / "s_conditions.csv").read_text()
    assert text == "occlusion,normal\n,\n0.250000,0.750000\n1.000000,0.000000\n"
    np.testing.assert_array_equal(read_conditions(tmp_path, "t", "s", NAMES).values, VALUES)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: the columns must be occlusion,normal"),
        ("normal,occlusion\n,\n", "line 1: the columns must be occlusion,normal"),
        ("occlusion,normal\n,\n0.5\n", "line 3: must be 2 finite numbers, got '0.5'"),
        ("occlusion,normal\n,\n0.5,nan\n", "line 3: must be 2 finite numbers"),
        ("occlusion,normal\n,\n,\n", "line 3: must be 2 finite numbers"),
        ("occlusion,normal\n,\n0.5,much\n", "line 3: must be 2 finite numbers"),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    file = conditions_file(tmp_path, "t", "s")
    file.parent.mkdir(parents=True)
    file.write_text(text)
    with pytest.raises(DataError, match=message) as caught:
        read_conditions(tmp_path, "t", "s", NAMES)
    assert str(file) in str(caught.value)


def test_an_absent_file_and_one_that_is_no_text_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is absent; track the sequence"):
        read_conditions(tmp_path, "t", "s", NAMES)
    file = conditions_file(tmp_path, "t", "s")
    file.parent.mkdir(parents=True)
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="cannot be read as text"):
        read_conditions(tmp_path, "t", "s", NAMES)


def test_what_is_not_finite_or_does_not_fit_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="must be finite"):
        write_conditions(tmp_path, "t", "s", PredictedConditions(NAMES, np.full((3, 2), np.nan)))
    with pytest.raises(ShapeError, match=r"must be \(L, 2\), got \(3, 3\)"):
        write_conditions(tmp_path, "t", "s", PredictedConditions(NAMES, np.ones((3, 3))))
    with pytest.raises(DataError, match="plain folder name"):
        write_conditions(tmp_path, "t", "../s", PredictedConditions(NAMES, VALUES))
    assert not list(tmp_path.rglob("*.csv"))
