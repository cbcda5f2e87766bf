"""optuna-dashboard opens the journal of a search."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.tune.made import carry_on, study_of
from tune.journal import JOURNAL

pytest.importorskip("optuna_dashboard")


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """A dashboard on a search of which one trial finished, one was stopped and one runs."""
    study = study_of(tmp_path / "search", "trials=5", "startup_trials=2")
    for values in ([0.1, 0.2, 0.4, 0.5, 0.5, 0.6], [0.1, 0.1, 0.1, 0.1]):
        number, _ = study.begin()  # type: ignore[misc]
        carry_on(study, number, values)
    study.begin()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(Path(sys.executable).parent / "optuna-dashboard"), str(study.folder / JOURNAL)]
    process = subprocess.Popen(
        [*command, "--port", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def asked(address: str) -> Any:
    """The answer to a request, as soon as the dashboard is up."""
    deadline = time.monotonic() + 120
    while True:
        try:
            with urllib.request.urlopen(address) as answer:
                return json.load(answer)
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.3)


@pytest.mark.slow
def test_the_dashboard_shows_every_trial_with_its_state(address: str, tmp_path: Path) -> None:
    (study,) = asked(f"{address}/api/studies")["study_summaries"]
    assert study["study_name"] == "search"
    shown = asked(f"{address}/api/studies/{study['study_id']}?after=0")
    assert [trial["state"] for trial in shown["trials"]] == ["Complete", "Pruned", "Running"]
    assert shown["objective_names"] == ["iou"]
    browser = shutil.which("chromium")
    if browser is None:
        return
    picture = tmp_path / "dashboard.png"
    page = f"{address}/dashboard/studies/{study['study_id']}"
    subprocess.run(
        [browser, "--headless", "--no-sandbox", "--disable-gpu", "--window-size=1400,1100",
         "--virtual-time-budget=20000", f"--screenshot={picture}", page],
        check=True, capture_output=True, timeout=240,
    )  # fmt: skip
    assert picture.stat().st_size > 20_000
