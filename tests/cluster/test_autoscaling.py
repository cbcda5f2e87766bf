"""A run that asks for more than the cluster has gets nodes and trains on them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest
import yaml
from ray.util.state import list_actors, list_nodes

from tests.cluster.test_train import TINY, metrics_of

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(900)]

ROOT = Path(__file__).resolve().parents[2]
WORKER = "worker"


class Scaling(NamedTuple):
    """A cluster of a head without room for training, on Ray's provider of pretended machines."""

    address: str
    dashboard: str

    def workers(self) -> int:
        """Nodes besides the head that are alive."""
        nodes = list_nodes(
            address=self.dashboard,
            filters=[("state", "=", "ALIVE")],
            raise_on_missing_output=False,  # it counts nodes that are gone as missing
        )
        return len([node for node in nodes if not node.is_head_node])

    def nodes_in_use(self) -> str:
        """What Ray's autoscaler says of the cluster, and which actors live where."""
        status = [str(Path(sys.executable).parent / "ray"), "status", f"--address={self.address}"]
        shown = subprocess.run(status, capture_output=True, text=True).stdout
        actors = list_actors(address=self.dashboard, filters=[("state", "=", "ALIVE")])
        return shown + "".join(f"{one.class_name} on {one.node_id}\n" for one in actors)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def autoscaling_config(address: str) -> dict[str, Any]:
    empty_lists = (
        "setup_commands", "head_setup_commands", "worker_setup_commands", "rsync_exclude",
        "head_start_ray_commands", "worker_start_ray_commands", "initialization_commands",
        "cluster_synced_files", "rsync_filter",
    )  # fmt: skip
    return {
        "cluster_name": "pretended",
        "max_workers": 3,
        "upscaling_speed": 1.0,
        "idle_timeout_minutes": 1,
        "provider": {
            "type": "fake_multinode", "gcs_address": address, "disable_node_updaters": True,
            "foreground_node_launch": True, "disable_launch_config_check": True,
            "use_node_id_as_ip": True,
        },
        "available_node_types": {
            "head": {"resources": {"CPU": 1}, "max_workers": 0, "node_config": {}},
            WORKER: {
                "resources": {"CPU": 2}, "min_workers": 0, "max_workers": 3, "node_config": {},
            },
        },
        "head_node_type": "head",
        "file_mounts": {},
        "file_mounts_sync_continuously": False,
        "auth": {},
        **{name: [] for name in empty_lists},
    }  # fmt: skip


@pytest.fixture
def scaling(tmp_path: Path) -> Iterator[Scaling]:
    """Ends every process of the cluster, by what it was started with."""
    host, port, dashboard = "127.0.0.1", free_port(), free_port()
    address = f"{host}:{port}"
    config = tmp_path / "autoscaling.yaml"
    config.write_text(yaml.safe_dump(autoscaling_config(address)))
    command = [
        str(Path(sys.executable).parent / "ray"), "start", "--head", "--block", "--num-cpus=1",
        f"--node-ip-address={host}", f"--port={port}", f"--autoscaling-config={config}",
        f"--dashboard-port={dashboard}", "--object-store-memory=104857600",
    ]  # fmt: skip
    environment = {
        **os.environ, "RAY_FAKE_CLUSTER": "1", "AUTOSCALER_UPDATE_INTERVAL_S": "1",
        "RAY_AUTH_MODE": "disabled",
    }  # fmt: skip
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    found = Scaling(address, f"http://{host}:{dashboard}")
    deadline = time.monotonic() + 120
    while True:
        try:
            found.workers()
            break
        except Exception:  # it is starting
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(1)
    yield found
    mine = {process.pid, *(child.pid for child in psutil.Process(process.pid).children(True))}
    for other in psutil.process_iter():
        try:
            if other.pid in mine or address in " ".join(other.cmdline()):
                other.kill()
        except psutil.Error:
            continue


def test_nodes_come_for_a_run_that_waits_for_them(scaling: Scaling, tmp_path: Path) -> None:
    words = [
        "demo", *TINY, "stages.full.epochs=0", f"storage={tmp_path}", "name=grown",
        "cluster.workers=2", "cluster.cpus_per_worker=2",
    ]  # fmt: skip
    command = [sys.executable, str(ROOT / "cluster" / "train.py"), *words]
    environment = {**os.environ, "RAY_ADDRESS": scaling.address, "RAY_AUTH_MODE": "disabled"}
    refused = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert refused.returncode == 1
    assert "2 workers with 2 CPU each need 4, the cluster has" in refused.stderr
    process = subprocess.Popen(
        [*command, "cluster.wait_minutes=5"], env=environment, stdout=subprocess.PIPE, text=True
    )
    most = 0
    while process.poll() is None:
        most = max(most, scaling.workers())
        time.sleep(1)
    said = process.communicate()[0]
    assert process.returncode == 0, said
    assert "waiting up to 5 min for nodes: 2 workers with 2 CPU each need 4" in said
    assert most >= 2
    # Ray may ask for a run's nodes until three minutes after its end.
    deadline = time.monotonic() + 400
    while scaling.workers():
        assert time.monotonic() < deadline, scaling.nodes_in_use()
        time.sleep(2)
    assert {line["split"] for line in metrics_of(tmp_path / "grown")} == {"train", "val"}
