"""The whole of an evaluation command of unified models, wherever they are asked."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Console

from mtl.benchmark.terminal import ProgressBar
from mtl.config.unified_run import UnifiedEvaluateConfig
from mtl.families.unified_evaluation.folder import EvaluationFolder
from mtl.families.unified_evaluation.plan import Ask
from mtl.families.unified_evaluation.publish import publish
from mtl.families.unified_evaluation.request import UnifiedRequest, resolve
from mtl.families.unified_evaluation.run import ask_all, score_all
from mtl.families.unified_evaluation.terminal import print_result


def evaluate_unified(
    request: UnifiedRequest, asker: Callable[[UnifiedEvaluateConfig], Ask], console: Console
) -> None:
    """Resolve, ask, score, write and print.

    Args:
        request: what the command line asks for.
        asker: from the resolved config to what asks the models.
        console: for the person at the terminal.

    Raises:
        MtlError: in one sentence; what was answered until then is kept task by task.
    """

    def tell(sentence: str) -> None:
        console.print(sentence, style="yellow", markup=False)

    plan, config = resolve(request)
    for reason, count in plan.index.skipped.items():
        tell(f"{count} left out by the reader: {reason}")
    folder = EvaluationFolder(request.out)
    with ProgressBar(console, "answering", "images answered") as bar:
        kept = ask_all(plan, folder, asker(config), tell, bar.show)
    result = score_all(plan, kept)
    publish(folder, plan, kept, result)
    print_result(console, folder, result)
