"""Fixtures of the published unified model."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.models.unified.published import Published


@pytest.fixture(scope="session")
def published(reference_root: Path) -> Published:
    return Published(reference_root)
