"""Metrics of a run on a node's port, and the charts that draw them."""

from __future__ import annotations

import json
import re
import time
import urllib.request
from pathlib import Path
from typing import Any, cast

import pytest
import ray

from cluster.gauges import KINDS, Gauges

DASHBOARD = Path(__file__).resolve().parents[2] / "cluster" / "grafana.json"
NEWS: dict[str, Any] = {
    "step": 30, "num_steps": 120, "samples_per_second": 12.5, "step_seconds": 0.64,
    "data_wait_share": 0.25, "gpu_memory_bytes": 1024, "learning_rate": 1e-3, "epoch": 1,
    "losses": {"loss/total": 3.5, "loss/giou": 1.25},
}  # fmt: skip
LINES = {"lines": [{"split": "val", "epoch": 1, "step": 30, "iou": 0.75, "stage": "full"}]}
SECONDS = 60


@pytest.mark.ray
def test_a_node_answers_what_a_run_is_doing(local_cluster: str) -> None:
    @ray.remote(num_cpus=0)
    class Worker:
        def __init__(self) -> None:
            self.gauges = Gauges("first")

        def tell(self, news: dict[str, Any]) -> str:
            self.gauges.take(news)
            return ray.get_runtime_context().get_node_id()

    worker: Any = cast(Any, Worker).remote()
    ray.get(worker.tell.remote(NEWS))
    here = ray.get(worker.tell.remote(LINES))
    (node,) = (node for node in ray.nodes() if node["NodeID"] == here)
    address = f"http://{node['NodeManagerAddress']}:{node['MetricsExportPort']}/metrics"
    wanted = {
        "ray_mtl_step": 30, "ray_mtl_samples_per_second": 12.5, "ray_mtl_data_wait_share": 0.25,
        "ray_mtl_loss,giou": 1.25, "ray_mtl_metric,iou,val": 0.75,
    }  # fmt: skip
    found: dict[str, float] = {}
    end = time.monotonic() + SECONDS
    while not wanted.items() <= found.items() and time.monotonic() < end:
        time.sleep(1)
        found = series(urllib.request.urlopen(address).read().decode())
    assert wanted.items() <= found.items()
    assert not [name for name in found if name.startswith("ray_mtl_metric,epoch")]


def series(text: str) -> dict[str, float]:
    """Values of the run's series by their name and the values of their own tags."""
    found = {}
    for line in text.splitlines():
        if line.startswith("ray_mtl_") and 'run="first"' in line:
            name, value = line.split("{")[0], line.rsplit(" ", 1)[1]
            tags = (re.search(rf'\b{tag}="([^"]*)"', line) for tag in ("loss", "metric", "split"))
            found[",".join([name, *(tag[1] for tag in tags if tag)])] = float(value)
    return found


def test_the_charts_draw_every_metric_and_no_other() -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    drawn = {
        name
        for panel in panels
        for target in panel["targets"]
        for name in re.findall(r"ray_(mtl_\w+)", target["expr"])
    }
    assert drawn == set(KINDS)
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert all(panel["title"] and panel["targets"] for panel in panels)
