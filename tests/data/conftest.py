from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Indices of one test are not seen by another, nor by the user."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("MTL_CACHE", str(folder))
    return folder
