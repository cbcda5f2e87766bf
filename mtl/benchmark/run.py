"""From a plan to its result: track what is not done, then score every file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch

from mtl.benchmark.entrants import Entrant
from mtl.benchmark.folder import EvaluationFolder
from mtl.benchmark.following import Followed, follow, score
from mtl.benchmark.plan import Execute, Item, Outcome, Plan, check_plan
from mtl.cpu import set_up_cpu
from mtl.data.frame_index import Sequence
from mtl.errors import DataError, MtlError
from mtl.evaluation.condition_results import PredictedConditions
from mtl.evaluation.one_pass import OnlineTracker, SequenceScore
from mtl.evaluation.result import EvaluationResult, TrackerResult

SHOWN = 3
"""Sentences of a kind that are told; more are counted."""
NO_FRAME = "no frame counts: it has one frame, or its target is not visible after the first"


class Progress(NamedTuple):
    """How far an evaluation is."""

    done: int
    total: int
    sequence: str
    """The one that was finished last; empty at the start."""


def evaluate(
    plan: Plan,
    folder: EvaluationFolder,
    execute: Execute,
    tell: Callable[[str], None],
    progress: Callable[[Progress], None] = lambda progress: None,
) -> EvaluationResult:
    """Track what is not done yet, keep it, and score everything from its files.

    Args:
        plan: who and on what.
        folder: is claimed for the plan; sequences whose files are intact are not tracked again.
        execute: tracks items, in this process or in others.
        tell: takes a sentence for the person at the terminal.
        progress: is told after every sequence.

    Raises:
        RunExistsError: if the folder belongs to another evaluation.
        DataError: at the first sequence that cannot be tracked, unless `data.on_error=skip`.
    """
    check_plan(plan)
    folder.claim(plan)
    waiting, broken = folder.open_items(plan)
    for sentence in broken[:SHOWN]:
        tell(f"tracked again: {sentence}")
    if len(broken) > SHOWN:
        tell(f"tracked again for such reasons: {len(broken) - SHOWN} more")
    total = len(plan.entrants) * len(plan.sequences)
    done = total - len(waiting)
    if done:
        tell(f"{done} of {total} sequences are done already; going on with the rest")
    failed: dict[str, str] = {}
    progress(Progress(done, total, ""))
    for outcome in execute(plan, waiting):
        sequence = plan.sequences[outcome.item.sequence]
        if outcome.followed is None:
            _leave_out(failed, sequence.name, outcome.reason, plan, tell)
        else:
            folder.keep(plan.entrants[outcome.item.entrant], sequence, outcome.followed)
        done += 1
        progress(Progress(done, total, sequence.name))
    return score_all(plan, folder, failed, tell)


def in_this_process(device: torch.device, num_threads: int = 1) -> Execute:
    """Tracks one sequence after the other.

    Args:
        device: where models run.
        num_threads: of arithmetic on a CPU. The last digits of a box depend on it, so files are
            those of workers that have as many.
    """

    def execute(plan: Plan, items: list[Item]) -> Iterator[Outcome]:
        set_up_cpu(num_threads)
        trackers: dict[int, OnlineTracker] = {}
        for item in items:
            entrant = plan.entrants[item.entrant]
            if item.entrant not in trackers:
                trackers[item.entrant] = entrant.open(device)
            sequence = plan.sequences[item.sequence]
            yield attempt(trackers[item.entrant], entrant, item, sequence, plan.data.max_pixels)

    return execute


def attempt(
    tracker: OnlineTracker, entrant: Entrant, item: Item, sequence: Sequence, max_pixels: int
) -> Outcome:
    """Track one item; what is wrong with the sequence becomes a reason."""
    try:
        return Outcome(item, follow(tracker, sequence, max_pixels, entrant.output_names))
    except MtlError as error:
        return Outcome(item, None, str(error))


def score_all(
    plan: Plan, folder: EvaluationFolder, failed: dict[str, str], tell: Callable[[str], None]
) -> EvaluationResult:
    """Score every sequence from its files.

    All trackers are scored on the same sequences: one that a single tracker could not follow, or
    that has no frame that counts, is left out for all, with the reason.

    Args:
        plan: all of which is tracked.
        folder: holds the files.
        failed: sequence -> why it could not be tracked.
        tell: takes a sentence for the person at the terminal.

    Raises:
        DataError: if a file is absent or broken, or, unless `data.on_error=skip`, if a sequence
            cannot be scored.
    """
    left_out = dict(failed)
    scores: dict[str, list[SequenceScore]] = {e.name: [] for e in plan.entrants}
    predicted: dict[str, dict[str, PredictedConditions]] = {e.name: {} for e in plan.entrants}
    for sequence in plan.sequences:
        if sequence.name in left_out:
            continue
        files = [_files(folder, entrant, sequence) for entrant in plan.entrants]
        try:
            each = [score(one, sequence, plan.data.max_pixels) for one in files]
        except DataError as error:
            _leave_out(left_out, sequence.name, str(error), plan, tell)
            continue
        if not all(one.num_frames for one in each):
            left_out[sequence.name] = NO_FRAME
        for entrant, one, said in zip(plan.entrants, each, files, strict=True):
            scores[entrant.name].append(one)
            if said.conditions is not None:
                predicted[entrant.name][sequence.name] = said.conditions
    return EvaluationResult(
        about=plan.about,
        trackers=tuple(
            TrackerResult(e.name, e.source, e.digest, tuple(scores[e.name]), predicted[e.name])
            for e in plan.entrants
        ),
        labels={s.name: s.conditions for s in plan.sequences if s.name not in left_out},
        left_out=left_out,
        skipped=plan.skipped,
    )


def _files(folder: EvaluationFolder, entrant: Entrant, sequence: Sequence) -> Followed:
    files = folder.kept(entrant, sequence)
    if files is None:
        raise DataError(
            f"{folder.results / entrant.name / sequence.name} was removed while the evaluation "
            "ran; start the same command again."
        )
    return files


def _leave_out(
    left_out: dict[str, str], sequence: str, reason: str, plan: Plan, tell: Callable[[str], None]
) -> None:
    """Leave a sequence out and say why, or stop with the reason, as the data's config wants it."""
    if plan.data.on_error == "stop":
        raise DataError(f"{reason.rstrip('.')}, or set data.on_error=skip.")
    tell(f"left out: {reason}")
    left_out.setdefault(sequence, reason)
