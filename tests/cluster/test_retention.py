"""The comparison of joint and sequential training, as one command on a real Ray cluster."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from cluster.retention import USAGE, main

TINY = [
    "training.batch_size=2", "teachers.batch_size=2", "training.samples_per_epoch=4",
    "training.val_samples=2", "training.num_threads=1", "stages.teachers.epochs=1",
    "stages.joint.epochs=1", "evaluation.splits=[val]", "data.synthetic.train_images=6",
    "data.synthetic.val_images=4", "data.synthetic.size=64", "model.neck_width=16",
    "retention.order=[seg, det]", "retention.memory_images=2", "retention.fisher_images=2",
    "data.sizes={det: 64, seg: 64, cls: 64, cls_short_side: 64}",
]  # fmt: skip
METHODS = ["none", "replay", "ewc", "lwf"]


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.timeout(1800)
def test_one_command_trains_all_methods_and_makes_the_table(
    local_cluster: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*TINY, f"storage={tmp_path}", "name=a"]
    assert main(words) == 0
    folder = tmp_path / "a" / "retention"
    for method in METHODS:
        assert (folder / method / "model.safetensors").is_file()
        assert (folder / method / "report.html").is_file()
    rows = list(csv.DictReader((folder / "retention.csv").open()))
    assert [row["method"] for row in rows] == [
        "single-task", "joint, taught", "one after another", "replay", "EWC", "LwF",
    ]  # fmt: skip
    assert (folder / "retention.html").is_file()
    before = (folder / "retention.csv").read_bytes()
    capsys.readouterr()
    assert main([f"storage={tmp_path}", "name=a", "resume=true"]) == 0
    said = capsys.readouterr().out
    assert [method for method in METHODS if f"{method}: done already" in said] == METHODS
    assert (folder / "retention.csv").read_bytes() == before


def test_usage_names_the_keys_of_retention(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    assert capsys.readouterr().out.strip() == USAGE


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["demo"], "model.family must be unified"),
        (["loss.distillation.weight=0"], "needs train_type=all and loss.distillation.weight above"),
        (["train_type=det"], "needs train_type=all"),
        (["retention.order=[seg, seg]"], "order must name each task once"),
        (["retention.memory_images=900"], "retention.memory_images must be at most 240"),
        (["resume=true", "name=never"], "there is no run 'never'"),
        (["data.det_root=nowhere"], "train_type=sequential has no data of seg"),
    ],
)
def test_what_cannot_be_compared_is_refused_before_anything_runs(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, f"storage={tmp_path}"]) == 1
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
