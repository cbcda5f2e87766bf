from __future__ import annotations

import os
import re
import secrets
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import requests

from tests.cluster.heads import RAY, started_head, without_ray
from tests.cluster.test_train import ROOT, TINY, metrics_of

pytestmark = [pytest.mark.ray, pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(900)]

WORDS = ["stages.full.epochs=0", "evaluation.max_sequences=1"]


class Guarded(NamedTuple):
    """A cluster that wants a token."""

    dashboard: str
    token: str


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    token = secrets.token_hex(16)
    file = tmp_path_factory.mktemp("token") / "token"
    file.write_text(token)
    with started_head(
        RAY_AUTH_MODE="token",
        RAY_AUTH_TOKEN_PATH=str(file),
        RAY_JOB_STOP_WAIT_TIME_S="120",  # as in the files of our clusters
    ) as head:
        yield Guarded(head.dashboard, token)


def submit(guarded: Guarded, words: list[str], **token: str) -> subprocess.CompletedProcess[str]:
    return job(guarded, "submit", words, **token)


def job(
    guarded: Guarded, verb: str, words: list[str], **token: str
) -> subprocess.CompletedProcess[str]:
    command = [RAY, "job", verb, "--address", guarded.dashboard, *words]
    environment = {**without_ray(dict(os.environ)), **token}
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def test_a_job_without_the_token_is_refused(guarded: Guarded) -> None:
    for token in (
        {"RAY_AUTH_MODE": "disabled"},
        {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "f" * 32},
    ):
        result = submit(guarded, ["--", "python", "-c", "print('ran')"], **token)
        assert result.returncode != 0
        output = result.stdout + result.stderr
        assert "uthentication token" in output, output[-2000:]
        assert "submitted" not in output
    jobs = requests.get(f"{guarded.dashboard}/api/jobs/", timeout=30)
    assert jobs.status_code == 401
    header = {"Authorization": f"Bearer {guarded.token}"}
    jobs = requests.get(f"{guarded.dashboard}/api/jobs/", headers=header, timeout=30)
    assert jobs.json() == []


def test_a_job_with_the_token_trains(guarded: Guarded, tmp_path: Path) -> None:
    script = ["python", "cluster/train.py", "demo", *TINY, *WORDS]
    result = submit(
        guarded,
        ["--working-dir", str(ROOT), "--", *script, f"storage={tmp_path}", "name=guarded"],
        RAY_AUTH_MODE="token",
        RAY_AUTH_TOKEN=guarded.token,
    )
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    assert metrics_of(tmp_path / "guarded")[-1]["stage"] == "tracking"


def test_a_job_that_is_stopped_keeps_its_step(guarded: Guarded, tmp_path: Path) -> None:
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": guarded.token}
    script = ["python", "cluster/train.py", "demo", *TINY, "stages.full.epochs=500"]
    words = ["--no-wait", "--submission-id", "long", "--working-dir", str(ROOT), "--", *script]
    result = submit(guarded, [*words, f"storage={tmp_path}", "name=long"], **token)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    deadline = time.monotonic() + 300
    while not (tmp_path / "long" / "metrics.jsonl").exists():
        assert time.monotonic() < deadline
        time.sleep(0.2)
    stopped = job(guarded, "stop", ["long"], **token)
    assert "was stopped" in stopped.stdout, stopped.stdout + stopped.stderr
    told = job(guarded, "logs", ["long"], **token).stdout
    sentence = re.search(r"stopped at step (\d+) of 4008; the same command with resume=true", told)
    assert sentence, told[-3000:]
    last = max((tmp_path / "long" / "checkpoints").glob("step-*/manifest.json")).parent
    assert last.name.startswith(f"step-{int(sentence[1]):08d}")
