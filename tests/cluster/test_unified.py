"""Whole runs of the unified family on Ray: teachers first, then their student."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from cluster.train import main
from mtl.models.model_file import load_model
from tests.cluster.test_train import metrics_of
from tests.data.unified.set_files import write_folders
from tests.training.unified_runs import TINY

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(900)]

ROOT = Path(__file__).resolve().parents[2]
TASKS = ("det", "seg", "cls")
SMALL = [*TINY, "training.num_threads=1", "weighting={kind: learnable}"]


def command(storage: Path, name: str, *words: str) -> list[str]:
    script = [sys.executable, str(ROOT / "cluster" / "train.py"), "unified_demo", *SMALL]
    return [*script, f"storage={storage}", f"name={name}", *words]


@pytest.fixture(scope="session")
def straight(local_cluster: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing interrupted, in its storage folder."""
    storage = tmp_path_factory.mktemp("unified")
    assert main(["unified_demo", *SMALL, f"storage={storage}", "name=straight"]) == 0
    return storage


def all_metrics(run: Path) -> dict[str, list[dict[str, Any]]]:
    """Metric lines of the run and of its teachers."""
    return {name: metrics_of(run / name) for name in (".", *(f"teachers/{task}" for task in TASKS))}


def test_a_run_leaves_what_the_design_says(straight: Path) -> None:
    run = straight / "straight"
    lines = all_metrics(run)
    assert [(x["epoch"], x["stage"], x["split"]) for x in lines["."]] == [
        (1, "joint", "train"), (1, "joint", "val"), (2, "joint", "train"), (2, "joint", "val"),
        (2, "evaluation", "val"),
    ]  # fmt: skip
    final = lines["."][-1]
    assert {"miou", "top1", "score", "teacher/miou", "drop/miou", "delta_m"} <= set(final)
    for line in lines["."][:4:2]:
        assert {"loss/distillation_det", "weight/det", "weight/seg", "weight/cls"} <= set(line)
    for task, metric in zip(TASKS, ("map", "miou", "top1"), strict=True):
        teacher = lines[f"teachers/{task}"]
        assert [(x["stage"], x["split"]) for x in teacher] == [
            ("teachers", "train"), ("teachers", "val"), ("evaluation", "val"),
        ]  # fmt: skip
        assert metric in teacher[-1]
        assert (run / "teachers" / task / "model.safetensors").exists()
    _, metadata = load_model(run / "model.safetensors")
    assert metadata["family"] == "unified"
    assert set(json.loads(metadata["classes"])) == set(TASKS)
    assert list((run / "tensorboard").rglob("events.out.tfevents.*"))
    results = run / "results" / "straight" / "val"
    names = {file.name for file in results.iterdir()}
    assert names == {"detections.json", "pixels.csv", "classes.csv", "per_image.csv"}
    assert "<html" in (run / "report.html").read_text()


def test_a_finished_run_resumes_to_the_same_numbers(straight: Path) -> None:
    before = all_metrics(straight / "straight")
    files = [straight / "straight" / "teachers" / task / "model.safetensors" for task in TASKS]
    written = [file.stat().st_mtime_ns for file in files]
    assert main([f"storage={straight}", "name=straight", "resume=true"]) == 0
    assert all_metrics(straight / "straight") == before
    assert [file.stat().st_mtime_ns for file in files] == written


def killed_when(done: Any, words: list[str], address: str) -> None:
    """Start a run and kill its driver as soon as `done()`."""
    environment = {**os.environ, "RAY_ADDRESS": address}
    process = subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 600
    while not done():
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()


def resumed(storage: Path, name: str, address: str) -> str:
    """Go on with a run by its name alone; returns what was printed."""
    script = [sys.executable, str(ROOT / "cluster" / "train.py")]
    result = subprocess.run(
        [*script, f"storage={storage}", f"name={name}", "resume=true"],
        env={**os.environ, "RAY_ADDRESS": address}, capture_output=True, text=True,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr[-2000:]
    return result.stdout


def test_a_run_killed_among_its_teachers_goes_on_to_the_same_numbers(
    straight: Path, local_cluster: str
) -> None:
    run = straight / "killed"
    first = [run / "teachers" / task / "metrics.jsonl" for task in TASKS]
    words = command(straight, "killed", "checkpoint.every_steps=1")
    killed_when(lambda: any(file.exists() for file in first), words, local_cluster)
    assert not (run / "metrics.jsonl").exists()
    resumed(straight, "killed", local_cluster)
    assert all_metrics(run) == all_metrics(straight / "straight")


def test_a_run_killed_between_teachers_and_student_keeps_the_teachers(
    straight: Path, local_cluster: str
) -> None:
    run = straight / "between"
    finished = [run / "teachers" / task / "checkpoints" for task in TASKS]
    killed_when(
        lambda: all(list(folder.glob("*-final/manifest.json")) for folder in finished),
        command(straight, "between"),
        local_cluster,
    )
    assert not (run / "metrics.jsonl").exists()
    told = resumed(straight, "between", local_cluster)
    for task in TASKS:
        assert f"{task}: done already" in told
    assert all_metrics(run) == all_metrics(straight / "straight")


def test_a_teacher_that_cannot_be_trained_ends_the_run_with_one_sentence(
    local_cluster: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "cls"
    for split in ("train", "val"):
        write_folders(root, images=4, split=split)
    (root / "train" / "a" / "1.JPEG").write_bytes(b"\xff\xd8 no picture")
    words = [
        f"data.cls_root={root}", "model.num_cls_classes=2", f"storage={tmp_path}", "name=bad",
    ]  # fmt: skip
    assert main(["unified_demo", *SMALL, *words]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: cls: ")
    assert "a/1.JPEG" in error
    assert "data.on_error=skip" in error
    assert error.count("\n") == 1
    assert not (tmp_path / "bad" / "model.safetensors").exists()
