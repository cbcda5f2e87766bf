"""Checks of the nodes of a real cluster, one of which has other disks and another package."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest

from cluster.nodes import Node, alive_nodes, check_nodes, check_shared_storage
from mtl.config.schema import DataConfig, EvaluateConfig
from mtl.doctor.packages import SameVersions, versions
from mtl.doctor.places import seen
from mtl.errors import ConfigError, ResourceError
from tests.data.sequence_files import write_root
from tests.doctor.test_packages import install

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(600)]

OWN_DISKS = "mount -t tmpfs none $DATA && mount -t tmpfs none $STORAGE && exec"


class OtherNode(NamedTuple):
    """A node without CPUs, to which two folders are disks of its own and numpy is another one."""

    data: Path
    storage: Path
    node: Node
    process: int
    """Of its `ray start`."""


def mounts_can_differ() -> bool:
    """Whether a process may have mounts of its own here, as another machine has."""
    if shutil.which("unshare") is None:
        return False
    asked = ["unshare", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"]
    return subprocess.run(asked, capture_output=True).returncode == 0


@pytest.fixture(scope="module")
def other(local_cluster: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OtherNode]:
    """Joins the session's cluster for as long as these tests run."""
    if not mounts_can_differ():
        pytest.skip("a node with disks of its own needs the right to mount")
    place = tmp_path_factory.mktemp("nodes")
    data, storage, packages = write_root(place / "data"), place / "runs", place / "packages"
    storage.mkdir()
    packages.mkdir()
    install(packages, "numpy", "0.0.1")
    path = os.pathsep.join([str(packages), os.environ.get("PYTHONPATH", "")])
    known = {node.id for node in alive_nodes()}
    start = f"{Path(sys.executable).parent}/ray start --address={local_cluster} --block"
    more = "--num-cpus=0 --object-store-memory=100000000"
    process = subprocess.Popen(
        ["unshare", "--mount", "sh", "-c", f"{OWN_DISKS} {start} {more}"],
        env={**os.environ, "DATA": str(data), "STORAGE": str(storage), "PYTHONPATH": path},
        stdout=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 120
        while len(alive_nodes()) == len(known):
            assert process.poll() is None, "the node ended"
            assert time.monotonic() < deadline
            time.sleep(0.2)
        (node,) = (node for node in alive_nodes() if node.id not in known)
        yield OtherNode(data, storage, node, process.pid)
    finally:
        process.terminate()  # ends what it has started too
        process.wait(60)


def test_every_node_is_asked_and_the_one_without_the_data_is_named(other: OtherNode) -> None:
    checks = seen(EvaluateConfig(data=DataConfig(root=str(other.data))))
    with pytest.raises(ResourceError) as caught:
        check_nodes(checks)
    told = str(caught.value)
    assert told.startswith(f"on node {other.node.name}: data.root={other.data} lacks train, val")
    assert told.count("on node") == 1


def test_a_node_with_another_package_is_named_with_both_versions(other: OtherNode) -> None:
    expected = versions()
    with pytest.raises(ResourceError) as caught:
        check_nodes([SameVersions(expected)])
    told = f"on node {other.node.name}: numpy is 0.0.1, not {expected['numpy']}; install"
    assert str(caught.value).startswith(told)


def test_a_storage_that_nodes_do_not_share_is_refused_although_each_can_write(
    other: OtherNode, tmp_path: Path
) -> None:
    with pytest.raises(ResourceError) as caught:
        check_shared_storage(str(other.storage))
    told = f"on node {other.node.name}: storage={other.storage} is not the folder that the command"
    assert str(caught.value).startswith(told)
    assert list(other.storage.iterdir()) == []
    check_shared_storage(str(tmp_path / "shared"))
    assert list((tmp_path / "shared").iterdir()) == []


def test_a_storage_that_the_driver_cannot_write_to_is_refused(
    other: OtherNode, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"file cannot be written \(Not a directory\)"):
        check_shared_storage(str(tmp_path / "file"))


def test_warm_nodes_answer_within_seconds(other: OtherNode) -> None:
    check_nodes([])
    started = time.monotonic()
    check_nodes([])
    assert time.monotonic() - started < 10


def test_a_node_that_does_not_answer_is_named(other: OtherNode) -> None:
    family = psutil.Process(other.process).children(recursive=True)
    for each in family:
        each.suspend()
    try:
        with pytest.raises(ResourceError) as caught:
            check_nodes([], timeout_s=4)
    finally:
        for each in family:
            each.resume()
    told = f"on node {other.node.name}: the checks were not answered within 4 s; look at the node"
    assert str(caught.value).startswith(told)
