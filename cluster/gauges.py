"""What a training run is doing, as metrics of the Ray cluster it runs on.

Every node answers them at its metrics port as `ray_mtl_...`, where Prometheus collects them;
`cluster/grafana.json` draws them. They exist as long as the process that trains.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ray.util.metrics import Gauge

from cluster.progress import News


class Kind(NamedTuple):
    """A metric: its description, and what tells its series apart beside the run."""

    description: str
    tags: tuple[str, ...] = ()


KINDS: dict[str, Kind] = {
    "mtl_step": Kind("Optimiser steps done."),
    "mtl_steps": Kind("Optimiser steps of the whole run."),
    "mtl_lost_steps": Kind(
        "Steps that were told of and trained again after a fault, since the command was given."
    ),
    "mtl_samples_per_second": Kind("Samples trained on in a second, over all workers."),
    "mtl_step_seconds": Kind("Seconds of a step, the wait for its samples included."),
    "mtl_data_wait_share": Kind("Share of the time that the first worker waits for samples."),
    "mtl_gpu_memory_bytes": Kind("GPU memory that the first worker has taken at most."),
    "mtl_learning_rate": Kind("Largest learning rate of the optimiser's groups."),
    "mtl_loss": Kind("A loss of the last step's batch.", ("loss",)),
    "mtl_metric": Kind(
        "A metric of the last epoch or of the final evaluation.", ("split", "metric")
    ),
}
"""By name; on a node's port with `ray_` before it."""

OF_STEPS = {
    "step": "mtl_step",
    "num_steps": "mtl_steps",
    "lost_steps": "mtl_lost_steps",
    "samples_per_second": "mtl_samples_per_second",
    "step_seconds": "mtl_step_seconds",
    "data_wait_share": "mtl_data_wait_share",
    "gpu_memory_bytes": "mtl_gpu_memory_bytes",
    "learning_rate": "mtl_learning_rate",
}
"""What the loop's news of a step is called there and here."""
PLACE = ("epoch", "step", "samples", "seconds")
"""Numbers of a line of metrics that say where it belongs."""


class Gauges:
    """Metrics of one run, set by the news of its first worker.

    Args:
        run: name of the run, a tag of every series.
    """

    def __init__(self, run: str) -> None:
        self._gauges = {
            name: Gauge(name, description=kind.description, tag_keys=("run", *kind.tags))
            for name, kind in KINDS.items()
        }
        for gauge in self._gauges.values():
            gauge.set_default_tags({"run": run})

    def take(self, news: News) -> None:
        """Set what these news say."""
        for key, name in OF_STEPS.items():
            if key in news:
                self._set(name, news[key])
        for loss, value in news.get("losses", {}).items():
            self._set("mtl_loss", value, loss=loss.removeprefix("loss/"))
        for line in news.get("lines", ()):
            self._line(line)

    def _line(self, line: Mapping[str, Any]) -> None:
        for metric, value in line.items():
            if isinstance(value, (int, float)) and metric not in PLACE:
                self._set("mtl_metric", value, split=str(line["split"]), metric=metric)

    def _set(self, name: str, value: float, **tags: str) -> None:
        self._gauges[name].set(float(value), tags=tags)
