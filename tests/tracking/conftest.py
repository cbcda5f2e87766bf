"""Small models run on one thread; on a busy machine, more wait for each other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(autouse=True)
def threads(request: pytest.FixtureRequest) -> Iterator[None]:
    before = torch.get_num_threads()
    if request.node.get_closest_marker("parity") is None:
        torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
