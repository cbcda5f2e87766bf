"""A trial: the same training as `cluster/train.py`, in a process of Ray Tune.

A run of one worker is trained in the trial's own process, which the next trial uses again; a run of
several in Ray Train below it. A trial is known by its run folder: started again, it goes on from
the last state it kept there.
"""

from __future__ import annotations

import io
import json
import logging
import threading
import time
from collections.abc import Iterator
from typing import Any

import ray
import torch
from ray import tune
from rich.console import Console

from cluster.job import run_training
from cluster.progress import News
from cluster.room import missing_room
from cluster.worker import carry_out
from mtl.config.load import to_yaml, validate
from mtl.config.run import RunConfig
from mtl.config.training import ClusterConfig
from mtl.errors import MtlError
from mtl.families import Indices, family_of
from mtl.hiccups import is_hiccup, words_of
from mtl.training.run_folder import RunFolder
from mtl.training.state import TrainingState

FAILURE = "failure"
"""Key of a result that says in one sentence why a trial cannot be trained."""
WAITS = "waits"
"""Key of a result that says in one sentence what the workers of a trial are waiting for."""
LOOK_S = 1.0
"""Seconds between two looks at the metrics of a run of several workers."""


def train_trial(config: dict[str, str], indices: Indices | None = None) -> None:
    """Train a trial to its end, or to the rung where Tune stops it.

    Args:
        config: `run`, the resolved config of the trial's run as JSON.
        indices: of its data; none: read here.
    """
    run = validate(json.loads(config["run"]), "the trial's config")
    try:
        run = family_of(run).prepared()
        indices = indices or family_of(run).indices()
        if run.cluster.most > 1:
            _train_below(run, indices)
        else:
            _train_here(run, indices)
    except Exception as error:
        if isinstance(error, ray.exceptions.RayError) or is_hiccup(error):
            raise  # a machine went away, or the storage; Tune tries again
        known = isinstance(error, MtlError)
        tune.report(
            {FAILURE: str(error) if known else f"{type(error).__name__}: {words_of(error)}"}
        )


def _train_here(run: RunConfig, indices: Indices) -> None:
    """Train in this process: the runs it needs one after another, then the run itself."""
    device = torch.device("cuda" if ray.get_gpu_ids() else "cpu")
    RunFolder(run.storage, str(run.name)).write_text("config.yaml", to_yaml(run))
    for needed in needs(run):
        if not RunFolder(needed.storage, str(needed.name)).finished():
            _carry_out(needed, family_of(needed).indices(), device, tells=False)
    _carry_out(run, indices, device, tells=True)


def needs(run: RunConfig) -> Iterator[RunConfig]:
    """The runs that this one learns from, each after those that it needs itself."""
    for first in family_of(run).first():
        yield from needs(first)
        yield first


def _carry_out(run: RunConfig, indices: Indices, device: torch.device, tells: bool) -> None:
    checkpoints = RunFolder(run.storage, str(run.name)).checkpoints
    resolved = run.model_dump(mode="json")

    def keep(metrics: dict[str, Any], state: TrainingState | None) -> None:
        assert state is not None
        checkpoints.save(state, resolved, run.checkpoint.keep)
        if tells and "epoch" in metrics:
            tune.report(metrics)

    found = checkpoints.last()
    for sentence in found.told:
        logging.getLogger(__name__).warning(sentence)
    if tells:
        # A state is kept before it is told, so an interruption may have lost its validation. No
        # earlier one: training goes on only after Tune has taken it.
        for line in _validations(found.state.history)[-1:]:
            tune.report(_numbers(line))
    carry_out(run, indices, device, found.state, _unheard, keep)


def _unheard(news: News) -> None:
    """A search's terminal shows trials, not the steps of each."""


def _train_below(run: RunConfig, indices: Indices) -> None:
    """Train in workers of Ray Train, and tell Tune what they write into the run folder."""
    folder = RunFolder(run.storage, str(run.name))
    raised: list[BaseException] = []
    waits: list[str] = []

    def missing(cluster: ClusterConfig) -> str:
        lacking = missing_room(cluster)
        waits.extend([lacking] if lacking else [])
        return lacking

    def fit() -> None:
        try:
            run_training(run, indices, folder, Console(file=io.StringIO()), missing)
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=fit, daemon=True)
    thread.start()
    told = 0
    while thread.is_alive():
        time.sleep(LOOK_S)
        while waits:
            tune.report({WAITS: waits.pop()})
        told += sum(1 for _ in _tell_new(folder, told))
    for _ in _tell_new(folder, told):
        pass
    if raised:
        raise raised[0]


def _tell_new(folder: RunFolder, told: int) -> Iterator[None]:
    """Report the validations that this process did not tell yet, one by one.

    Those that an earlier process may have told as well: the study knows which are new to it.
    """
    if not folder.has("metrics.jsonl"):
        return
    lines = [json.loads(line) for line in folder.read_text("metrics.jsonl").splitlines()]
    for line in _validations(lines)[told:]:
        tune.report(_numbers(line))
        yield


def _validations(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [line for line in history if line["split"] == "val"]


def _numbers(line: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in line.items() if isinstance(v, (int, float))}
