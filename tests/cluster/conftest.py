"""One small Ray cluster for every test that needs one."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import cluster.settings  # noqa: F401 - before Ray

os.environ.setdefault("RAY_AUTH_MODE", "disabled")
# Jobs are started as `python` by the cluster, which finds it where it was started.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])

import pytest
import ray


@pytest.fixture(scope="session")
def local_cluster() -> Iterator[str]:
    """Address of the session's cluster; processes that are started find it by RAY_ADDRESS."""
    if ray.is_initialized():  # by the tests of another package
        yield ray.get_runtime_context().gcs_address
        return
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
