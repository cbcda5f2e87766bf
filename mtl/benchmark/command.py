"""The whole of an evaluation command, wherever its sequences are tracked."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Console

from mtl.benchmark.folder import EvaluationFolder
from mtl.benchmark.plan import Execute
from mtl.benchmark.publish import pack, publish
from mtl.benchmark.request import Request, resolve
from mtl.benchmark.run import evaluate
from mtl.benchmark.terminal import ProgressBar, print_result
from mtl.config.schema import EvaluateConfig
from mtl.evaluation.analysis import analyse


def evaluate_request(
    request: Request, executor: Callable[[EvaluateConfig], Execute], console: Console
) -> None:
    """Resolve, track, score, write and print.

    Args:
        request: what the command line asks for.
        executor: from the resolved config to what tracks the sequences.
        console: for the person at the terminal.

    Raises:
        MtlError: in one sentence; what was tracked until then is kept.
    """
    plan, config = resolve(request)
    for reason, count in plan.skipped.items():
        console.print(f"{count} left out by the reader: {reason}", style="yellow", markup=False)
    folder = EvaluationFolder(request.out)
    with ProgressBar(console) as bar:
        result = evaluate(
            plan,
            folder,
            executor(config),
            tell=lambda sentence: console.print(sentence, style="yellow", markup=False),
            progress=bar.show,
        )
    analysis = analyse(
        result,
        use_labels=request.conditions != "predicted",
        use_predictions=request.conditions != "labels",
    )
    publish(folder, plan, result, analysis)
    print_result(console, folder, result, analysis)
    if request.pack is not None:
        for path in pack(folder, plan, request.pack):
            console.print(f"{'archive':<16} {path}", markup=False)
