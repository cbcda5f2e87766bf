"""How the tests are spread over processes (pytest-xdist), and how many there are."""

from __future__ import annotations

import os

import pytest
from xdist.scheduler import LoadScopeScheduling

ON_RAY = ("tests/cluster/", "tests/tune/")
"""Folders whose tests share one Ray cluster, and so one process."""
MOST = 4
"""Processes; each needs about 2 GB."""


class ByFile(LoadScopeScheduling):
    """A file's tests run in one process, because they share models and data; Ray's all in one."""

    def _split_scope(self, nodeid: str) -> str:
        return "Ray" if nodeid.startswith(ON_RAY) else nodeid.partition("::")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> ByFile:
    return ByFile(config, log)  # type: ignore[arg-type]


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One for each core; a file or a single test runs in the process that was started."""
    if all(".py" in word for word in config.args):
        return 0
    return min(os.cpu_count() or 1, MOST)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest in one process starts first: the tests on Ray, then mypy."""
    first = (*ON_RAY, "tests/test_style.py")
    items.sort(key=lambda item: not item.nodeid.startswith(first))
