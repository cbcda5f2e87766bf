"""Where the references and the real data are, and how many threads a test computes with."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

# Read once, when torch loads: beside a busy process, threads that spin while waiting crawl.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
ALONE = "PYTEST_XDIST_WORKER" not in os.environ
if not ALONE:  # a core is for each process, and for what it starts
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import torch

from tests.workers import (  # noqa: F401
    pytest_collection_modifyitems,
    pytest_xdist_auto_num_workers,
    pytest_xdist_make_scheduler,
)

ROOT = Path(__file__).resolve().parents[1]


def _folder(variable: str, default: str) -> Path:
    path = Path(os.environ.get(variable, ROOT.parent / "shared" / default))
    if not path.is_dir():
        pytest.skip(f"{path} is absent; set {variable} to run this test")
    return path


@pytest.fixture(scope="session")
def reference_root() -> Path:
    """Facts about the published models; a test that needs them is skipped where they are absent."""
    return _folder("MTL_REFERENCE", "reference")


@pytest.fixture(scope="session")
def data_root() -> Path:
    """Real sequences; a test that needs them is skipped where they are absent."""
    return _folder("MTL_DATA", "data")


@pytest.fixture(autouse=True)
def threads(request: pytest.FixtureRequest) -> Iterator[None]:
    """Published-size models use two threads if cores are free, small ones one.

    Denormal numbers come back after each test: commands run in this process and flush them.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(2 if ALONE and request.node.get_closest_marker("parity") else 1)
    yield
    torch.set_num_threads(before)
    torch.set_flush_denormal(False)
