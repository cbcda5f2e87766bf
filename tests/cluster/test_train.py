"""Whole runs on a real Ray cluster, small enough to take seconds."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from cluster.train import main
from mtl.models.model_file import load_model
from tests.data.sequence_files import write_root
from tests.processes import workers_of

pytestmark = [pytest.mark.ray, pytest.mark.timeout(600)]

ROOT = Path(__file__).resolve().parents[2]
TINY = [
    "data.synthetic.train_sequences=10", "data.synthetic.val_sequences=4",
    "data.synthetic.frames=20", "data.synthetic.width=128", "data.synthetic.height=96",
    "training.batch_size=8", "training.samples_per_epoch=64", "training.val_samples=16",
    "stages.head.epochs=1", "stages.full.epochs=2", "training.log_every=2",
    "training.num_threads=1", "evaluation.max_sequences=2",
]  # fmt: skip

TWO_WORKERS = ["cluster.workers=2", "cluster.decode_in_tasks=true"]


def metrics_of(run: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    for line in lines:
        for timing in ("seconds", "fps", "speed_got10k"):
            line.pop(timing, None)
    return lines


def command(storage: Path, name: str, *words: str) -> list[str]:
    script = [sys.executable, str(ROOT / "cluster" / "train.py"), "demo", *TINY]
    return [*script, f"storage={storage}", f"name={name}", *words]


@pytest.fixture(scope="session")
def straight(local_cluster: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing interrupted, in its storage folder."""
    storage = tmp_path_factory.mktemp("storage")
    assert main(["demo", *TINY, f"storage={storage}", "name=straight"]) == 0
    return storage


def test_a_run_leaves_what_the_design_says(straight: Path) -> None:
    run = straight / "straight"
    lines = metrics_of(run)
    assert [(x["epoch"], x["stage"], x["split"]) for x in lines] == [
        (1, "head", "train"), (1, "head", "val"), (2, "full", "train"), (2, "full", "val"),
        (3, "full", "train"), (3, "full", "val"), (3, "tracking", "val"),
    ]  # fmt: skip
    for line in lines[:-1]:
        for name in ("total", "giou", "l1", "location", "classification"):
            assert line[f"loss/{name}"] > 0
        assert 0 <= line["iou"] <= 1
        assert 0 <= line["accuracy"] <= 1
    assert {"ao", "sr_50", "sr_75"} <= set(lines[-1])
    weights, metadata = load_model(run / "model.safetensors")
    assert metadata["family"] == "hiptrack"
    assert "condition_head" in str(sorted(weights))
    assert len(list((run / "checkpoints").glob("step-*"))) == 2
    assert list((run / "tensorboard").rglob("events.out.tfevents.*"))
    results = sorted((run / "results" / "straight").iterdir())
    assert len(results) == 2
    assert len((results[0] / f"{results[0].name}_001.txt").read_text().splitlines()) == 20
    assert "<html" in (run / "report.html").read_text()


def logged(run: str) -> list[dict[str, Any]]:
    """What the workers of a run logged in this session of Ray."""
    import ray

    logs = Path(ray._private.worker._global_node.get_session_dir_path()) / "logs" / "train"
    lines = [line for file in logs.glob("*app-worker*") for line in file.read_text().splitlines()]
    return [found for found in map(json.loads, lines) if found.get("run") == run]


def test_logs_are_json_and_say_run_rank_and_step(straight: Path) -> None:
    ours = logged("straight")
    assert {found["rank"] for found in ours} == {0}
    assert {found["run_name"] for found in ours} == {"straight/checkpoints"}
    (epoch,) = {found["step"] for found in ours if found["message"].startswith("epoch  2/3")}
    assert epoch == 16


def test_the_same_name_is_refused_and_nothing_changes(straight: Path) -> None:
    before = metrics_of(straight / "straight")
    assert main(["demo", *TINY, f"storage={straight}", "name=straight"]) == 1
    assert metrics_of(straight / "straight") == before


def test_a_finished_run_resumes_to_the_same_numbers(
    straight: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = metrics_of(straight / "straight")
    capsys.readouterr()
    assert main([f"storage={straight}", "name=straight", "resume=true"]) == 0
    told = capsys.readouterr().out
    assert told.startswith(f"run 'straight' in {straight}/straight is done already\n")
    assert "report.html" in told
    assert metrics_of(straight / "straight") == before


def test_a_killed_run_resumes_to_the_same_numbers(straight: Path, local_cluster: str) -> None:
    words = command(straight, "killed", "checkpoint.every_steps=3")
    environment = {**os.environ, "RAY_ADDRESS": local_cluster}
    process = subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL)
    wait_for(straight / "killed" / "metrics.jsonl", process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(metrics_of(straight / "killed")) < 7
    wait_until_gone(local_cluster)
    damaged = cut_short(straight / "killed" / "checkpoints")
    resumed = subprocess.run([*words, "resume=true"], env=environment, capture_output=True)
    assert resumed.returncode == 0, resumed.stderr.decode()[-2000:]
    assert f"{damaged} cannot be used: optimizer.pt has 9 bytes instead" in resumed.stdout.decode()
    assert metrics_of(straight / "killed") == metrics_of(straight / "straight")


def by_two_workers(storage: Path, name: str, *words: str) -> list[dict[str, Any]]:
    """Metrics of the same run by two workers, with clips made in Ray tasks."""
    two = [*TWO_WORKERS, f"storage={storage}", f"name={name}"]
    assert main(["demo", *TINY, *two, *words]) == 0
    return metrics_of(storage / name)


def cut_short(checkpoints: Path) -> str:
    """Damage the newest checkpoint and Ray's list of them, as a crash might; returns its name."""
    older, newer = sorted(checkpoints.glob("step-*/manifest.json"))[-2:]
    assert older.parent < newer.parent
    os.truncate(newer.parent / "optimizer.pt", 9)
    (checkpoints / "checkpoint_manager_snapshot.json").write_text('{"ray_vers')
    return newer.parent.name


@pytest.mark.slow
def test_a_run_asked_to_stop_keeps_its_step_and_goes_on_from_it(
    local_cluster: str, tmp_path: Path
) -> None:
    words = command(tmp_path, "asked", "stages.full.epochs=500")
    first, _ = stopped(words, tmp_path / "asked" / "metrics.jsonl", local_cluster)
    last = max((tmp_path / "asked" / "checkpoints").glob("step-*/manifest.json")).parent
    assert last.name.startswith(f"step-{first:08d}")
    (tmp_path / "asked" / "metrics.jsonl").unlink()
    words = [*words, "resume=true"]
    second, told = stopped(words, tmp_path / "asked" / "metrics.jsonl", local_cluster)
    assert f"going on at step {first} of run 'asked'" in told
    assert second > first


def stopped(words: list[str], file: Path, address: str) -> tuple[int, str]:
    """Send a run SIGTERM when it has written a file; returns its last step and what it told."""
    process = subprocess.Popen(
        words, env={**os.environ, "RAY_ADDRESS": address}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    wait_for(file, process)
    process.send_signal(signal.SIGTERM)
    told, error = process.communicate()
    assert process.returncode == 143, error
    sentence = re.fullmatch(
        r"stopped at step (\d+) of 4008; the same command with resume=true and this name goes on."
        r"\n",
        error,
    )
    assert sentence, error
    return int(sentence[1]), told


@pytest.mark.slow
def test_a_killed_run_of_two_workers_resumes_to_the_same_numbers(
    straight: Path, local_cluster: str
) -> None:
    whole = by_two_workers(straight, "two-whole")
    words = command(straight, "two-killed", "cluster.workers=2")
    environment = {**os.environ, "RAY_ADDRESS": local_cluster}
    process = subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL)
    wait_for(straight / "two-killed" / "metrics.jsonl", process)
    process.kill()
    process.wait()
    assert subprocess.run([*words, "resume=true"], env=environment).returncode == 0
    for resumed, line in zip(metrics_of(straight / "two-killed"), whole, strict=True):
        assert resumed == {
            k: pytest.approx(v, abs=1e-4) if isinstance(v, float) else v for k, v in line.items()
        }


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["cluster.workers=4", "cluster.gpus_per_worker=4"], "the cluster has 0"),
        (["cluster.workers=8", "cluster.cpus_per_worker=2"], "the cluster has 8"),
        (["cluster.workers=8", "cluster.decode_in_tasks=true"], "needs a CPU beside the workers"),
        (["training.precision=fp16"], "needs a GPU"),
        (
            ["training.batch_size=4096", "training.samples_per_epoch=8192"],
            "larger than the training",
        ),
    ],
)
def test_an_impossible_request_is_refused_within_seconds(
    words: list[str],
    message: str,
    local_cluster: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    start = time.monotonic()
    assert main(["demo", *TINY, f"storage={tmp_path}", "name=no", *words]) == 1
    assert time.monotonic() - start < 20
    assert message in capsys.readouterr().err
    assert not (tmp_path / "no").exists()


@pytest.mark.slow
def test_a_loss_that_is_not_finite_ends_the_run_with_one_sentence(
    local_cluster: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["stages.head.learning_rate=1e30", "optimizer.max_grad_norm=1e30"]
    assert main(["demo", *TINY, f"storage={tmp_path}", "name=nan", *words]) == 1
    error = capsys.readouterr().err
    assert "no weight has moved" in error
    assert "the clips starting at" in error
    assert error.count("\n") == 1


@pytest.mark.slow
def test_a_bad_frame_is_named_although_a_ray_task_met_it(
    local_cluster: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_root(tmp_path / "data")
    for frame in (root / "train").rglob("*.jpg"):
        frame.write_bytes(b"no picture")
    words = [f"data.root={root}", f"storage={tmp_path}", "name=bad", "cluster.decode_in_tasks=true"]
    assert main(["demo", *TINY, *words]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1, error
    assert ".jpg" in error


@pytest.mark.slow
def test_ctrl_c_ends_a_run_at_once_with_its_own_status(local_cluster: str, tmp_path: Path) -> None:
    words = command(tmp_path, "stopped", "stages.full.epochs=500")
    environment = {**os.environ, "RAY_ADDRESS": local_cluster}
    process = subprocess.Popen(
        words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    wait_for(tmp_path / "stopped" / "metrics.jsonl", process)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert error == "stopped; the same command with resume=true and this name goes on.\n"
    wait_until_gone(local_cluster)


def test_a_job_of_two_workers_gives_nearly_the_same_numbers(straight: Path) -> None:
    import ray

    address = f"http://{ray._private.worker._global_node.webui_url}"
    words = [
        "stages.full.epochs=0", "evaluation.max_sequences=1", f"storage={straight}", "name=job",
        "cluster.workers=2",
    ]  # fmt: skip
    result = subprocess.run(
        [
            str(Path(sys.executable).parent / "ray"), "job", "submit", "--address", address,
            "--working-dir", str(ROOT), "--", "python", "cluster/train.py", "demo", *TINY, *words,
        ],
        capture_output=True, text=True, env={**os.environ, "RAY_AUTH_MODE": "disabled"},
    )  # fmt: skip
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    two, one = metrics_of(straight / "job"), metrics_of(straight / "straight")[:2]
    assert [line["stage"] for line in two] == ["head", "head", "tracking"]
    # Not equal: each worker normalises over its own half of a batch.
    for ours, theirs in zip(two, one, strict=False):
        assert ours["loss/total"] == pytest.approx(theirs["loss/total"], rel=0.2)
    last = {found["rank"]: found["step"] for found in logged("job")}
    assert last == {0: 8, 1: 8}


def wait_until_gone(address: str) -> None:
    """Wait for the workers of a killed driver, which save what they have until Ray ends them."""
    deadline = time.monotonic() + 120
    while training_workers(address):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def wait_for(file: Path, process: subprocess.Popen[Any]) -> None:
    deadline = time.monotonic() + 300
    while not file.exists():
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_cluster_that_does_not_answer_is_named(tmp_path: Path) -> None:
    words = command(tmp_path, "nowhere")
    environment = {**os.environ, "RAY_ADDRESS": "127.0.0.1:1"}
    result = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=120)
    assert result.returncode == 1
    assert "RAY_ADDRESS=127.0.0.1:1 does not answer" in result.stderr


def training_workers(address: str) -> list[psutil.Process]:
    return workers_of(address, "RayTrainWorker")


@pytest.mark.slow
def test_a_lost_worker_is_replaced_and_the_numbers_stay_the_same(
    straight: Path, local_cluster: str
) -> None:
    words = command(straight, "lost")
    environment = {**os.environ, "RAY_ADDRESS": local_cluster}
    process = subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL)
    wait_for(straight / "lost" / "metrics.jsonl", process)
    (worker,) = training_workers(local_cluster)
    worker.kill()
    assert process.wait() == 0
    assert metrics_of(straight / "lost") == metrics_of(straight / "straight")
