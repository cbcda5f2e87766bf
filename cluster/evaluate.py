"""Evaluate on Ray: `python cluster/evaluate.py RUN|MODEL ... data.root=DIR --out DIR`.

The same command as `mtl evaluate`, with sequences or images spread over the cluster: same numbers,
same files. Works from a fresh clone, through `ray job submit` and through `ray submit`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

ROOT = Path(__file__).resolve().parents[1]
if (ROOT / "pyproject.toml").exists() and str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))  # run as a script, Python looks for packages in cluster/ only

import cluster.settings  # noqa: F401 - before Ray

# isort: split
from rich.console import Console

from cluster import answering, tracking
from cluster.ending import exit_status
from cluster.job import connect
from cluster.preflight import check_evaluation_on_nodes, check_workers, with_gpus
from mtl.benchmark.plan import Execute
from mtl.benchmark.terminal import evaluation_console
from mtl.commands.command import Parser
from mtl.commands.evaluate import add_arguments, request_of
from mtl.config.schema import EvaluateConfig
from mtl.config.unified_run import UnifiedEvaluateConfig
from mtl.families.evaluate import evaluate
from mtl.families.unified_evaluation.plan import Ask

Evaluation = TypeVar("Evaluation", EvaluateConfig, UnifiedEvaluateConfig)


class OnRay:
    """Models run in actors of the cluster, which is joined or started when it is needed."""

    def __init__(self, console: Console, at_end: ExitStack) -> None:
        self._console = console
        self._at_end = at_end

    def tracking(self, config: EvaluateConfig) -> Execute:
        """See `mtl.families.evaluate.Machines.tracking`."""
        return tracking.on_cluster(self._ready(config).cluster, self._tell)

    def answering(self, config: UnifiedEvaluateConfig) -> Ask:
        """See `mtl.families.evaluate.Machines.answering`."""
        return answering.on_cluster(self._ready(config).cluster, self._tell)

    def _ready(self, config: Evaluation) -> Evaluation:
        joined = connect(config, self._at_end)
        config = with_gpus(config)
        check_workers(config.cluster, share=True)
        if joined:
            check_evaluation_on_nodes(config)
        return config

    def _tell(self, sentence: str) -> None:
        self._console.print(sentence, style="yellow", markup=False)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    parser = Parser(
        prog="python cluster/evaluate.py",
        description="Scores finished models, their work spread over a Ray cluster. Keys besides "
        "those of mtl evaluate: cluster.workers=N, cluster.cpus_per_worker=N, "
        "cluster.gpus_per_worker=X, cluster.max_failures=N.",
    )
    add_arguments(parser)
    options = parser.parse_args(arguments)
    console = evaluation_console()

    def carry_out(at_end: ExitStack) -> None:
        machines = OnRay(console, at_end)
        evaluate(request_of(options), options.teacher, machines, console)

    return exit_status(carry_out, "stopped; the same command goes on with what is left.")


if __name__ == "__main__":
    sys.exit(main())
