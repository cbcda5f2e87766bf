"""Evaluate on Ray: `python cluster/evaluate.py RUN|MODEL ... data.root=DIR --out DIR`.

The same command as `mtl evaluate`, with sequences spread over the cluster: same numbers, same
files. Works from a fresh clone, through `ray job submit` and through `ray submit`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if (ROOT / "pyproject.toml").exists() and str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))  # run as a script, Python looks for packages in cluster/ only

import cluster.settings  # noqa: F401 - before Ray

# isort: split
import ray

from cluster.job import connect
from cluster.preflight import check_workers, with_gpus
from cluster.tracking import on_cluster
from mtl.benchmark.command import evaluate_request
from mtl.benchmark.plan import Execute
from mtl.benchmark.terminal import evaluation_console
from mtl.commands.command import Parser
from mtl.commands.evaluate import add_arguments, request_of
from mtl.config.schema import EvaluateConfig
from mtl.errors import MtlError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    parser = Parser(
        prog="python cluster/evaluate.py",
        description="Tracks sequences with models and baselines, spread over a Ray cluster. Keys "
        "besides those of mtl evaluate: cluster.workers=N, cluster.cpus_per_worker=N, "
        "cluster.gpus_per_worker=X, cluster.max_failures=N.",
    )
    add_arguments(parser)
    options = parser.parse_args(arguments)
    console = evaluation_console()
    started_cluster = False

    def tell(sentence: str) -> None:
        console.print(sentence, style="yellow", markup=False)

    def executor(config: EvaluateConfig) -> Execute:
        nonlocal started_cluster
        started_cluster = connect(config)
        config = with_gpus(config)
        check_workers(config.cluster)
        return on_cluster(
            config.cluster, lambda text: console.print(text, style="yellow", markup=False)
        )

    try:
        evaluate_request(request_of(options), executor, console)
        return 0
    except MtlError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; the same command goes on with what is left.", file=sys.stderr)
        return 130
    finally:
        if started_cluster:
            ray.shutdown()


if __name__ == "__main__":
    sys.exit(main())
