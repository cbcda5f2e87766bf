"""What a search leaves behind: best.yaml, trials.parquet, TensorBoard's HParams and a report."""

from __future__ import annotations

from rich.console import Console

from mtl.config.load import to_yaml
from mtl.files import write_atomically
from tune.load import base_run
from tune.progress import shortly
from tune.report import write_report
from tune.reruns import chosen, confirmed
from tune.results import write_hparams, write_trials
from tune.space import Space
from tune.study import Study


def publish(study: Study) -> None:
    """Write everything into the search folder, each file whole or not at all."""
    number = chosen(study)
    if number is not None:
        values = study.optuna.trials[number].params
        best = Space(study.search.space, base_run(study.search)).run(values, name=None)
        write_atomically(study.folder / "best.yaml", to_yaml(best).encode())
    write_trials(study)
    write_hparams(study)
    write_report(study)


def final_words(study: Study, console: Console) -> None:
    """Say what is best, by how much, and where everything lies."""
    for one in confirmed(study):
        spread = "" if one.spread is None else f" ± {shortly(one.spread)}"
        own = " (the run's own values)" if one.number == 0 else ""
        told = f"{study.goal.objectives[0].text} {shortly(one.mean)}{spread}"
        console.print(f"trial {one.number}{own}: {told} over {len(one.seeds)} seeds", markup=False)
    number = chosen(study)
    if number is None:
        console.print("no trial came to its end; trials.parquet says why.", markup=False)
        return
    console.print(f"best: trial {number}", markup=False)
    for what, name in (("trials", "trials.parquet"), ("report", "search.html")):
        console.print(f"{what:<9} {study.folder}/{name}", markup=False)
    console.print(f"train it: python cluster/train.py {study.folder}/best.yaml", markup=False)
