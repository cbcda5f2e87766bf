"""How the tests are spread over processes (pytest-xdist), and how many there are."""

from __future__ import annotations

import functools
import os
from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).resolve().parents[1]
ON_RAY = ("local_cluster", "pytest.mark.ray")
"""Words of the files whose tests share one Ray cluster, and so one process."""
MOST = 4
"""Processes; each needs about 2 GB."""


class ByFile(LoadScopeScheduling):
    """A file's tests run in one process, because they share models and data; Ray's all in one."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "Ray" if on_ray(file) else file


@functools.cache
def on_ray(file: str) -> bool:
    """Whether a test file, named from the root of the project, has tests on Ray."""
    text = (ROOT / file).read_text()
    return any(word in text for word in ON_RAY)


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> ByFile:
    return ByFile(config, log)  # type: ignore[arg-type]


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One for each core; a file or a single test runs in the process that was started."""
    if all(".py" in word for word in config.args):
        return 0
    return min(os.cpu_count() or 1, MOST)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest in one process starts first: the tests on Ray, then mypy."""
    files = [item.nodeid.partition("::")[0] for item in items]
    first = {file for file in files if on_ray(file) or file == "tests/test_style.py"}
    items.sort(key=lambda item: item.nodeid.partition("::")[0] not in first)
