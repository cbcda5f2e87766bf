"""A run whose cluster goes away."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import psutil
import pytest

from cluster.train import main
from tests.cluster.heads import started_head
from tests.cluster.test_train import TINY, command, metrics_of, wait_for

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(1200)]


def test_a_run_whose_head_is_lost_ends_in_one_sentence_and_goes_on_elsewhere(
    local_cluster: str, tmp_path: Path
) -> None:
    assert main(["demo", *TINY, f"storage={tmp_path}", "name=whole"]) == 0
    words = command(tmp_path, "headless", "checkpoint.every_steps=3")
    with started_head(RAY_AUTH_MODE="disabled") as head:
        process = subprocess.Popen(
            words,
            env={**os.environ, "RAY_ADDRESS": head.address},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        wait_for(tmp_path / "headless" / "metrics.jsonl", process)
        for one in psutil.Process(head.process.pid).children(recursive=True):
            if "gcs_server" in one.name():
                one.kill()
        _, error = process.communicate(timeout=600)
        assert process.returncode == 1
        assert error.count("\n") == 1, error
        assert "the cluster was lost" in error
        assert "resume=true" in error
    environment = {**os.environ, "RAY_ADDRESS": local_cluster}
    assert subprocess.run([*words, "resume=true"], env=environment).returncode == 0
    assert metrics_of(tmp_path / "headless") == metrics_of(tmp_path / "whole")
