"""What a run of a tracker reads before it begins."""

from __future__ import annotations

from pathlib import Path

import pytest

from mtl.config.load import load
from mtl.errors import DataError
from mtl.families import family_of
from tests.data.sequence_files import write_root


@pytest.mark.parametrize("preset", ["hiptrack_small", "simtrack_small"])
def test_data_without_a_test_split_is_enough(preset: str, tmp_path: Path) -> None:
    root = write_root(tmp_path)
    indices = family_of(load(preset, [f"data.root={root}"])).indices()
    assert list(indices.final) == ["val"]


def test_a_missing_split_is_named_with_the_key_that_asks_for_it(tmp_path: Path) -> None:
    words = [f"data.root={write_root(tmp_path)}", "evaluation.splits=[val,test]"]
    with pytest.raises(DataError) as caught:
        family_of(load("demo", words)).indices()
    assert str(caught.value) == (
        f"data.root {tmp_path} has no test/ folder, which evaluation.splits asks for, but train/, "
        "val/; give the folder that holds train/ and, if there are any, val/ and test/, or leave "
        "test out of evaluation.splits."
    )


def test_a_root_without_splits_is_told_without_a_key_that_asks_for_none(tmp_path: Path) -> None:
    root = write_root(tmp_path) / "train"
    with pytest.raises(DataError) as caught:
        family_of(load("demo", [f"data.root={root}"])).indices()
    assert str(caught.value) == (
        f"data.root {root} has no train/ folder but none of train/, val/, test/; give the folder "
        "that holds train/ and, if there are any, val/ and test/."
    )
