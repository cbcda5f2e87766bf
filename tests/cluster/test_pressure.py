"""A run on a node whose object store others have filled."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster.heads import started_head
from tests.cluster.test_train import ROOT, command, metrics_of

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(1200)]

STORE = 80
"""Megabytes of the store, about the least that Ray takes."""


def test_a_run_beside_a_full_object_store_has_the_same_numbers(tmp_path: Path) -> None:
    words = ["cluster.decode_in_tasks=true", "checkpoint.every_steps=3"]
    with started_head(STORE, RAY_AUTH_MODE="disabled") as head:
        environment = {**os.environ, "RAY_ADDRESS": head.address}

        def end_of(name: str) -> int:
            words_of_run = command(tmp_path, name, *words)
            return subprocess.run(words_of_run, env=environment, timeout=600).returncode

        assert end_of("alone") == 0
        filler = subprocess.Popen(
            [sys.executable, "-m", "tests.cluster.full_store", str(3 * STORE)],
            env=environment, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        try:
            assert filler.stdout is not None
            assert "full\n" in iter(filler.stdout.readline, "")
            status = end_of("pressed")
            assert filler.poll() is None
            written, _ = filler.communicate(timeout=60)
        finally:
            filler.kill()
    assert status == 0
    told = re.search(r"^wrote (\d+)$", written, re.MULTILINE)  # between what Ray has to say
    assert told, written
    assert int(told[1]) > 3 * STORE  # it was full to the end
    assert metrics_of(tmp_path / "pressed") == metrics_of(tmp_path / "alone")
