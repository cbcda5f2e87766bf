from __future__ import annotations

import csv
from pathlib import Path

import pytest
import torch

from mtl.__main__ import main

TINY = ["training.batch_size=1", "model.backbone.depth=1", "model.search_frames=1"]


@pytest.mark.slow
def test_a_comparison_is_one_table_in_three_forms(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    words = ["simtrack_small", *TINY, "--rounds", "2", "--device", "cpu", "--out", str(out)]
    assert main(["compare", *words]) == 0
    said = capsys.readouterr().out
    assert "simtrack_small" in said
    assert said.endswith(f"written to {out}\n")
    with open(out / "comparison.csv") as file:
        table = list(csv.DictReader(file))
    assert [row["conditions"] for row in table] == ["head off", "none", "residual", "film"]
    for row in table:
        assert float(row["training_step_seconds"]) > 0
        assert float(row["tracked_frame_seconds"]) > 0
        assert int(row["training_step_peak_bytes"]) > 50e6
        low, middle, high = (
            float(row[f"tracked_frame_ratio_{name}"]) for name in ("min", "median", "max")
        )
        assert low <= middle <= high
    lines = (out / "comparison.md").read_text().splitlines()
    assert len(lines) == 2 + 2 + 4
    assert len({line.count("|") for line in lines[2:]}) == 1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["hiptrak_small"], "did you mean 'hiptrack_small'?"),
        (["demo", "model.depth=2"], "unknown key 'model.depth'"),
        (["demo", "head.fusion=film"], "leave out 'head.fusion=film'"),
        (["--rounds", "0"], "--rounds must be at least 1, got 0"),
        (["--device", "tpu"], "--device must be cpu, or cuda where torch sees a GPU"),
    ],
)
def test_bad_words_are_refused(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", *words]) == 1
    said = capsys.readouterr()
    assert told in said.err
    assert said.err.count("\n") == 1
    assert said.out == ""


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_a_gpu_that_is_not_there_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "--device", "cuda"]) == 1
    assert "where torch sees a GPU" in capsys.readouterr().err


def test_a_folder_with_files_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    assert main(["compare", "demo", "--out", str(tmp_path)]) == 1
    assert "is not an empty folder; name a new one" in capsys.readouterr().err
