"""The scripts behind the speed figures still run; their figures are not judged here."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SHORT = [
    "demo", "training.samples_per_epoch=128", "stages.head.epochs=0", "stages.full.epochs=1",
    "evaluation.max_sequences=1",
]  # fmt: skip

CPU = ["--device=cpu", "--sizes", "4", "--steps", "2", "--precisions", "fp32"]
TINY_UNIFIED = [
    "training.samples_per_epoch=16", "training.val_samples=8", "stages.teachers.epochs=1",
    "stages.joint.epochs=1",
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "lines"),
    [
        (["thread_waiting.py", "--steps=1"], 7),
        (["ingest.py", "--steps=4", "--rounds=1"], 1),
        (["online_overhead.py", "--preset=demo", "--frames=1", "--memory-frames=500"], 4),
        (["batch_tracking.py", "--preset=demo", "--sequences=2", "--rounds=1", "--calls=1"], 1),
        (["scaling.py", "demo", "--samples=2"], 8),
        (["joint_step.py", "unified_demo", "--size=64", "--batch=2", "--rounds=1"], 3),
        (["gpu_speed.py", "unified_demo", *CPU], 3),
        (["unified_run.py", "unified_demo", *TINY_UNIFIED, "name=a", "storage=TMP"], 10),
        (["checkpoint_stall.py", "--every=2", *SHORT], 4),
        (["trial_overhead.py", "--trials=2", "--epochs=1", "--samples=64"], 3),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_benchmark_prints_its_figures(words: list[str], lines: int, tmp_path: Path) -> None:
    rest = [word.replace("TMP", str(tmp_path)) for word in words[1:]]
    script = [sys.executable, str(HERE / words[0]), *rest]
    alone = {**os.environ, "RAY_ADDRESS": "local"}  # not in a cluster that runs here already
    result = subprocess.run(script, capture_output=True, text=True, env=alone)
    assert result.returncode == 0, result.stderr
    assert len(result.stdout.splitlines()) == lines


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_run_that_is_broken_four_times_is_the_run_it_would_have_been() -> None:
    words = ["--faults=4", "--steps=60", "--every=5"]
    script = [sys.executable, str(HERE / "chaos.py"), *words]
    result = subprocess.run(script, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "the same samples and weights as undisturbed" in result.stdout
