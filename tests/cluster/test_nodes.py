"""Checks of the nodes of a real cluster, one of which has other disks and another package."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest
import ray
import ray.cluster_utils

from cluster.nodes import Node, alive_nodes, check_nodes, check_shared_storage
from mtl.config.schema import DataConfig, EvaluateConfig
from mtl.doctor.packages import SameVersions, versions
from mtl.doctor.places import seen
from mtl.errors import ConfigError, ResourceError
from tests.data.sequence_files import write_root
from tests.doctor.test_packages import install

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(600)]

OWN_DISKS = "mount -t tmpfs none $DATA && mount -t tmpfs none $STORAGE && exec"


class TwoNodes(NamedTuple):
    """A head where no worker can run, and a node to which two folders are other disks."""

    data: Path
    storage: Path
    node: Node
    process: int
    """Of the node's `ray start`."""


def mounts_can_differ() -> bool:
    """Whether a process may have mounts of its own here, as another machine has."""
    if shutil.which("unshare") is None:
        return False
    asked = ["unshare", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"]
    return subprocess.run(asked, capture_output=True).returncode == 0


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoNodes]:
    if not mounts_can_differ():
        pytest.skip("a node with other disks needs the right to mount")
    if ray.is_initialized():  # the session's cluster; only one at a time has its own cleaner
        pytest.skip("another cluster runs in this process; run this file alone")
    place = tmp_path_factory.mktemp("nodes")
    data, storage, packages = write_root(place / "data"), place / "runs", place / "packages"
    storage.mkdir()
    packages.mkdir()
    install(packages, "numpy", "0.0.1")
    small = {"num_cpus": 0, "object_store_memory": 100 << 20, "include_dashboard": False}
    head = ray.cluster_utils.Cluster(initialize_head=True, head_node_args=small)
    ray_start = f"{Path(sys.executable).parent}/ray start --address={head.address} --block"
    more = "--num-cpus=1 --object-store-memory=100000000"
    process = subprocess.Popen(
        ["unshare", "--mount", "sh", "-c", f"{OWN_DISKS} {ray_start} {more}"],
        env={**os.environ, "DATA": str(data), "STORAGE": str(storage), "PYTHONPATH": str(packages)},
        stdout=subprocess.DEVNULL,
    )
    try:
        ray.init(address=head.address, log_to_driver=False, logging_level="ERROR")
        own = ray.get_runtime_context().get_node_id()
        deadline = time.monotonic() + 120
        while len(alive_nodes()) < 2:
            assert process.poll() is None, "the second node ended"
            assert time.monotonic() < deadline
            time.sleep(0.2)
        (node,) = (node for node in alive_nodes() if node.id != own)
        yield TwoNodes(data, storage, node, process.pid)
    finally:
        ray.shutdown()
        for each in psutil.Process(process.pid).children(recursive=True):
            each.send_signal(signal.SIGCONT)
        process.terminate()
        process.wait(60)
        head.shutdown()


def test_every_node_is_asked_and_the_one_without_the_data_is_named(nodes: TwoNodes) -> None:
    checks = seen(EvaluateConfig(data=DataConfig(root=str(nodes.data))))
    with pytest.raises(ResourceError) as caught:
        check_nodes(checks)
    told = str(caught.value)
    assert told.startswith(f"on node {nodes.node.name}: data.root={nodes.data} lacks train, val")
    assert told.count("on node") == 1


def test_a_node_with_another_package_is_named_with_both_versions(nodes: TwoNodes) -> None:
    expected = versions()
    with pytest.raises(ResourceError) as caught:
        check_nodes([SameVersions(expected)])
    told = f"on node {nodes.node.name}: numpy is 0.0.1, not {expected['numpy']}; install"
    assert str(caught.value).startswith(told)


def test_a_storage_that_nodes_do_not_share_is_refused_although_each_can_write(
    nodes: TwoNodes, tmp_path: Path
) -> None:
    with pytest.raises(ResourceError) as caught:
        check_shared_storage(str(nodes.storage))
    told = f"on node {nodes.node.name}: storage={nodes.storage} is not the folder that the command"
    assert str(caught.value).startswith(told)
    assert list(nodes.storage.iterdir()) == []
    check_shared_storage(str(tmp_path / "shared"))
    assert list((tmp_path / "shared").iterdir()) == []


def test_a_storage_that_the_driver_cannot_write_to_is_refused(
    nodes: TwoNodes, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"file cannot be written \(Not a directory\)"):
        check_shared_storage(str(tmp_path / "file"))


def test_checks_of_warm_nodes_take_a_second_or_two(nodes: TwoNodes) -> None:
    check_nodes([])
    started = time.monotonic()
    check_nodes([])
    assert time.monotonic() - started < 10


def test_a_node_that_does_not_answer_is_named(nodes: TwoNodes) -> None:
    family = psutil.Process(nodes.process).children(recursive=True)
    for each in family:
        each.suspend()
    try:
        with pytest.raises(ResourceError) as caught:
            check_nodes([], timeout_s=4)
    finally:
        for each in family:
            each.resume()
    told = f"on node {nodes.node.name}: the checks were not answered within 4 s; look at the node"
    assert str(caught.value).startswith(told)
