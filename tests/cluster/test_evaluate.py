"""Evaluation spread over a real Ray cluster: the same files as one process makes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cluster.evaluate import main
from cluster.tracking import on_cluster
from mtl.__main__ import main as mtl
from mtl.benchmark.folder import EvaluationFolder
from mtl.benchmark.run import evaluate
from mtl.config.schema import ClusterConfig
from mtl.errors import MtlError, ResourceError
from mtl.evaluation.one_pass import OnlineTracker
from tests.benchmark.small_evaluation import (
    Box,
    nothing_may_run,
    small_plan,
    write_model,
    write_test_split,
)
from tests.data.sequence_files import write_sequence
from tests.families.small_unified import write_classes, write_unified

pytestmark = [pytest.mark.ray, pytest.mark.timeout(600)]

ROOT = Path(__file__).resolve().parents[2]


def compared_files(out: Path) -> dict[str, bytes]:
    """Result files but for times, which differ whenever they are measured."""
    files = (path for path in (out / "results").rglob("*") if path.is_file())
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in files
        if not path.name.endswith("_time.txt")
    }


def numbers(out: Path) -> dict[str, Any]:
    """All of evaluation.json but speeds."""
    content: dict[str, Any] = json.loads((out / "evaluation.json").read_text())
    for tracker in content["trackers"].values():
        for name in ("fps", "speed_got10k"):
            tracker["metrics"].pop(name)
    return content


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model and 12 sequences, evaluated in one process in `alone`."""
    place = tmp_path_factory.mktemp("evaluation")
    write_model(place / "tiny")
    for number in range(12):
        write_sequence(place / "data" / "test" / f"s{number:02}", 20, picture_seed=number)
    assert mtl(words(place, "alone")[2:]) == 0
    return place


def words(place: Path, out: str, *more: str) -> list[str]:
    script = str(ROOT / "cluster" / "evaluate.py")
    return [
        sys.executable, script, *(["evaluate"] if out == "alone" else []), str(place / "tiny"),
        f"data.root={place / 'data'}", "--out", str(place / out), *more,
    ]  # fmt: skip


@pytest.mark.slow
def test_four_workers_make_the_files_of_one_process(place: Path, local_cluster: str) -> None:
    assert main(words(place, "four", "cluster.workers=4")[2:]) == 0
    alone = compared_files(place / "alone")
    assert sum(name.endswith("_001.txt") for name in alone) == 12
    assert compared_files(place / "four") == alone
    assert numbers(place / "four") == numbers(place / "alone")


def killed_and_continued(place: Path, out: str, command: list[str], address: str) -> None:
    """Kill the command once some sequences are done, and start it again."""
    environment = {**os.environ, "RAY_ADDRESS": address}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while len(list((place / out).rglob("*_001.txt"))) < 2:
        assert process.poll() is None, "the evaluation ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (place / out / "evaluation.json").exists()
    again = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr[-2000:]
    assert "are done already; going on with the rest" in again.stdout


@pytest.mark.slow
def test_a_killed_evaluation_goes_on_to_the_same_files(place: Path, local_cluster: str) -> None:
    command = words(place, "killed", "cluster.workers=2")
    killed_and_continued(place, "killed", command, local_cluster)
    assert compared_files(place / "killed") == compared_files(place / "alone")
    assert numbers(place / "killed") == numbers(place / "alone")


@dataclass(frozen=True)
class Faulty:
    """Fails on the frame after the first, until the file `flag` is there."""

    flag: Path
    kills_process: bool
    name: str = "faulty"
    source: str = "tests"
    digest: str = "faulty"
    output_names: None = None

    def open(self, device: torch.device) -> OnlineTracker:
        return _FaultyTracker(self)


class _FaultyTracker:
    def __init__(self, entrant: Faulty) -> None:
        self.entrant = entrant
        self.box = np.zeros(4)

    def init(self, frame: np.ndarray, box_xywh: np.ndarray) -> None:
        self.box = box_xywh

    def update(self, frame: np.ndarray) -> Box:
        if not self.entrant.flag.exists():
            if not self.entrant.kills_process:
                raise ValueError("this program is wrong")
            self.entrant.flag.write_text("died here")
            os.kill(os.getpid(), signal.SIGKILL)
        return Box(self.box, None)


def run_faulty(tmp_path: Path, max_failures: int, kills_process: bool = True) -> list[str]:
    plan = small_plan(write_test_split(tmp_path / "data"))
    plan = type(plan)(
        (Faulty(tmp_path / "flag", kills_process),), plan.sequences, plan.data, plan.about
    )
    told: list[str] = []
    cluster = ClusterConfig(workers=2, max_failures=max_failures)
    execute = on_cluster(cluster, told.append)
    result = evaluate(plan, EvaluationFolder(tmp_path / "out"), execute, told.append)
    assert result.num_sequences == 3
    again = evaluate(plan, EvaluationFolder(tmp_path / "out"), nothing_may_run, told.append)
    assert again.num_frames == result.num_frames
    return told


def test_a_lost_workers_sequence_is_tracked_by_another(local_cluster: str, tmp_path: Path) -> None:
    told = run_faulty(tmp_path, max_failures=3)
    assert "another takes its sequence" in told[0]


def test_too_many_lost_workers_end_it_in_one_sentence(local_cluster: str, tmp_path: Path) -> None:
    with pytest.raises(ResourceError, match=r"failure 1 of at most 0 \(cluster\.max_failures\)"):
        run_faulty(tmp_path, max_failures=0)


def test_a_wrong_program_is_not_tried_again(local_cluster: str, tmp_path: Path) -> None:
    with pytest.raises(MtlError, match=r"on sequence .* \(ValueError: this program is wrong"):
        run_faulty(tmp_path, max_failures=3, kills_process=False)


def test_more_workers_than_the_cluster_has_are_refused(
    place: Path, local_cluster: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(place, "many", "cluster.workers=99")[2:]) == 1
    assert "the cluster has 8" in capsys.readouterr().err
    assert not (place / "many").exists()


@pytest.mark.slow  # the same is asked of train.py, which finds its cluster in the same way
def test_a_cluster_that_does_not_answer_is_named(place: Path) -> None:
    environment = {**os.environ, "RAY_ADDRESS": "127.0.0.1:1"}
    result = subprocess.run(
        words(place, "nowhere"), env=environment, capture_output=True, text=True, timeout=120
    )
    assert result.returncode == 1
    assert "RAY_ADDRESS=127.0.0.1:1 does not answer" in result.stderr


@pytest.mark.slow
def test_two_hundred_embedded_sequences_by_one_by_four_and_killed(
    local_cluster: str, tmp_path: Path
) -> None:
    write_model(tmp_path / "tiny")
    data = [
        f"data.synthetic.{word}"
        for word in ("train_sequences=1", "val_sequences=200", "frames=8", "width=96", "height=72")
    ]
    alone = ["evaluate", str(tmp_path / "tiny"), *data, "--out", str(tmp_path / "alone")]
    assert mtl(alone) == 0
    expected = compared_files(tmp_path / "alone")
    assert sum(name.endswith("_001.txt") for name in expected) == 200
    spread = [str(tmp_path / "tiny"), *data, "cluster.workers=4", "--out"]
    assert main([*spread, str(tmp_path / "four")]) == 0
    assert compared_files(tmp_path / "four") == expected
    script = [sys.executable, str(ROOT / "cluster" / "evaluate.py")]
    killed_and_continued(
        tmp_path, "killed", [*script, *spread, str(tmp_path / "killed")], local_cluster
    )
    assert compared_files(tmp_path / "killed") == expected
    everyone = [numbers(tmp_path / out) for out in ("alone", "four", "killed")]
    assert everyone[0] == everyone[1] == everyone[2]


def test_two_workers_answer_images_as_one_process_does(local_cluster: str, tmp_path: Path) -> None:
    model = write_unified(tmp_path / "small")
    write_unified(model / "teachers" / "seg", 1, "train_type=seg")
    assert mtl(["evaluate", str(model), "--out", str(tmp_path / "alone")]) == 0
    assert main([str(model), "--out", str(tmp_path / "two"), "cluster.workers=2"]) == 0
    assert compared_files(tmp_path / "two") == compared_files(tmp_path / "alone")
    for name in ("evaluation.json", "per_image.csv", "report.html"):
        assert (tmp_path / "two" / name).read_bytes() == (tmp_path / "alone" / name).read_bytes()


def test_an_image_that_a_worker_cannot_read_is_named(
    local_cluster: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = write_unified(tmp_path / "small")
    write_classes(tmp_path / "set", broken=1)
    words = [f"data.cls_root={tmp_path / 'set'}", "--out", str(tmp_path / "out")]
    assert main([str(model), *words]) == 1
    assert re.search(r"error: .*0\.png .*data\.on_error=skip", capsys.readouterr().err)
