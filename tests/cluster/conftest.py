"""One small Ray cluster for every test that needs one."""

from __future__ import annotations

import os
from collections.abc import Iterator

import cluster.settings  # noqa: F401 - before Ray

os.environ.setdefault("RAY_AUTH_MODE", "disabled")

import pytest
import ray


@pytest.fixture(scope="session")
def local_cluster() -> Iterator[str]:
    """Address of the session's cluster; processes that are started find it by RAY_ADDRESS."""
    context = ray.init(
        address="local",
        num_cpus=8,
        object_store_memory=400 << 20,
        include_dashboard=True,
        log_to_driver=False,
        logging_level="ERROR",
    )
    yield context.address_info["gcs_address"]
    ray.shutdown()
