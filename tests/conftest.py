"""Where the references and the real data are; tests that need an absent one are skipped visibly."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]

torch.set_num_threads(2)


def _folder(variable: str, default: str) -> Path:
    path = Path(os.environ.get(variable, ROOT.parent / "shared" / default))
    if not path.is_dir():
        pytest.skip(f"{path} is absent; set {variable} to run this test")
    return path


@pytest.fixture(scope="session")
def reference_root() -> Path:
    return _folder("MTL_REFERENCE", "reference")


@pytest.fixture(scope="session")
def data_root() -> Path:
    return _folder("MTL_DATA", "data")
