"""The comparison of joint and sequential training, as one command on a real Ray cluster."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from cluster.retention import USAGE, main
from cluster.train import resolve
from mtl.config.load import to_yaml
from mtl.config.unified_run import UnifiedRunConfig
from mtl.families.retention import sequential_runs
from mtl.training.run_folder import RunFolder

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
    words = [*TINY, f"storage={tmp_path}", "name=a", "retention.compare=[none, ewc]"]
    assert main(words) == 0
    folder = tmp_path / "a" / "retention"
    assert methods(folder) == ["single-task", "joint, taught", "fine-tuning", "EWC"]
    kept = {run: (folder / run / "metrics.jsonl").read_bytes() for run in ("none", "ewc")}
    (folder / "ewc" / "report.html").unlink()  # as if it had been stopped just before
    capsys.readouterr()
    resumed = [f"storage={tmp_path}", "name=a", "resume=true"]
    assert main([*resumed, "retention.compare=[none, replay, ewc, lwf]"]) == 0
    said = capsys.readouterr().out
    assert [method for method in METHODS if f"{method}: done already" in said] == ["none", "ewc"]
    assert kept == {run: (folder / run / "metrics.jsonl").read_bytes() for run in kept}
    for method in METHODS:
        assert (folder / method / "model.safetensors").is_file()
        assert (folder / method / "report.html").is_file()
    assert methods(folder) == [
        "single-task", "joint, taught", "fine-tuning", "replay", "EWC", "LwF",
    ]  # fmt: skip
    phases = list(csv.DictReader((folder / "phases.csv").open()))
    assert [row["after"] for row in phases] == ["all at once", *["seg", "det"] * 4]
    assert all(bool(row["map"]) == (row["after"] != "seg") for row in phases)
    assert (folder / "retention.html").is_file()


def methods(folder: Path) -> list[str]:
    """Rows of the table in a folder."""
    return [row["method"] for row in csv.DictReader((folder / "retention.csv").open())]


def test_usage_names_the_keys_of_retention(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    assert capsys.readouterr().out.strip() == USAGE


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["demo"], "model.family must be unified"),
        (["loss.distillation.weight=0"], "needs train_type=all and loss.distillation.weight above"),
        (["train_type=det"], "needs train_type=all"),
        (["model.boxes.least_region=0.01"], "set model.boxes.least_region=null, so that all rows"),
        (["retention.order=[seg, seg]"], "order must name each task once"),
        (["retention.memory_images=900"], "retention.memory_images must be at most 240"),
        (["retention.fisher_images=900"], "retention.fisher_images must be at most 240"),
        (["retention.compare=[ewc, mas]"], "input should be 'none', 'replay', 'ewc' or 'lwf'"),
        (["retention.method=ewc"], "compares methods, retention.compare=[ewc]."),
        (
            ["teachers.batch_size=245", "training.samples_per_epoch=245"],
            "teachers.batch_size 245 is larger than the 240 training images",
        ),
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


def begun(storage: Path) -> None:
    """A joint run and its EWC run, as they lie on the disk when both have begun."""
    joint = resolve([f"storage={storage}", "name=a", "retention.ewc_weight=5"], "unified_demo")
    assert isinstance(joint, UnifiedRunConfig)
    for run in (joint, sequential_runs(joint)["ewc"]):
        RunFolder(run.storage, str(run.name)).write_text("config.yaml", to_yaml(run))


def test_another_weight_is_refused_by_the_run_that_it_would_change(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begun(tmp_path)
    words = [f"storage={tmp_path}", "name=a", "resume=true", "retention.compare=[none]"]
    assert main([*words, "retention.ewc_weight=7"]) == 1
    folder = f"{tmp_path}/a/retention/ewc"
    assert capsys.readouterr().err == (
        f"error: {folder} was started with retention.ewc_weight=5.0, now it is 7.0; give the value "
        f"it had, or delete {folder} to have it trained again.\n"
    )
    assert not (tmp_path / "a" / "checkpoints").exists()


def test_another_joint_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    begun(tmp_path)
    assert main([f"storage={tmp_path}", "name=a", "resume=true", "seed=8"]) == 1
    assert "run 'a' was started with seed=42, now it is 8" in capsys.readouterr().err
