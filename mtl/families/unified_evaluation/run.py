"""From a plan to its result: ask what is not answered yet, keep it, and score all of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import torch

from mtl.benchmark.run import Progress
from mtl.config.unified import UNIFIED_TASKS, UnifiedTaskName
from mtl.cpu import set_up_cpu
from mtl.data.unified.build import local_unified_index
from mtl.data.unified.index import UnifiedIndex
from mtl.evaluation.unified.measured import Measured, difference
from mtl.evaluation.unified.result import (
    ModelResult,
    SetFacts,
    TeacherResult,
    UnifiedResult,
)
from mtl.families.unified_answering import Answering, Answers, Gathered, gather
from mtl.families.unified_evaluation.folder import EvaluationFolder
from mtl.families.unified_evaluation.plan import Ask, Item, Plan
from mtl.families.unified_scores import readable_images, score_model
from mtl.tasks.unified import sides_of

Kept = dict[tuple[int, UnifiedTaskName], Gathered]
"""Answers of an entrant, by its place in the plan, to a task."""


def ask_all(
    plan: Plan,
    folder: EvaluationFolder,
    ask: Ask,
    tell: Callable[[str], None],
    progress: Callable[[Progress], None],
) -> Kept:
    """Ask what is not answered yet; what is done is kept task by task.

    Args:
        plan: who and on what.
        folder: is claimed for the plan.
        ask: asks, in this process or in others.
        tell: takes a sentence for the person at the terminal.
        progress: is told after every block of images.

    Raises:
        RunExistsError: if the folder belongs to another evaluation.
        DataError: at the first image that cannot be read, unless `data.on_error=skip`.
    """
    folder.claim(plan)
    kept: Kept = {}
    waiting: list[Item] = []
    open_blocks: dict[tuple[int, UnifiedTaskName], int] = {}
    for place, task in plan.questions():
        found = folder.kept(plan, plan.entrants[place], task)
        if found is not None:
            kept[place, task] = found
            continue
        items = plan.items(place, task)
        waiting += items
        open_blocks[place, task] = len(items)
    if kept:
        tell(f"{len(kept)} of {len(kept) + len(open_blocks)} tasks of models are answered already")
    parts: dict[tuple[int, UnifiedTaskName], list[Answers]] = {}
    done, total = 0, sum(item.block.last - item.block.first for item in waiting)
    for item, answers in ask(plan, waiting):
        question = (item.entrant, item.block.task)
        parts.setdefault(question, []).append(answers)
        done += item.block.last - item.block.first
        entrant = plan.entrants[item.entrant]
        progress(Progress(done, total, f"{entrant.name}, {item.block.task}"))
        if len(parts[question]) == open_blocks[question]:
            whole = gather(parts.pop(question), plan.index.lengths)[item.block.task]
            kept[question] = whole
            folder.keep(plan, entrant, item.block.task, whole)
    return kept


def in_this_process(device: torch.device, num_threads: int) -> Ask:
    """Asks one block after the other.

    Args:
        device: where models run.
        num_threads: of arithmetic on a CPU; the last digits of answers depend on it.
    """

    def ask(plan: Plan, items: list[Item]) -> Iterator[tuple[Item, Answers]]:
        set_up_cpu(num_threads)
        index = local_unified_index(plan.data, plan.index)
        ready: dict[int, Answering] = {}
        for item in items:
            if item.entrant not in ready:
                ready = {item.entrant: opened(plan, item.entrant, index, device)}
            yield item, ready[item.entrant].answer(item.block)

    return ask


def opened(plan: Plan, place: int, index: UnifiedIndex, device: torch.device) -> Answering:
    """An entrant on a device.

    Args:
        plan: of the evaluation.
        place: of the entrant in the plan.
        index: with places that this machine reaches.
        device: to which the entrant's model moves.
    """
    entrant = plan.entrants[place]
    model = entrant.model.to(device)
    return Answering(entrant.config, model, index, device, entrant.class_names)


def counted_rows(plan: Plan, kept: Kept) -> dict[UnifiedTaskName, np.ndarray]:
    """Rows of the images that count: all that everyone could read, by task."""
    return readable_images(plan.index, [{task: one} for (_, task), one in kept.items()])


def answers_of(
    kept: Kept, place: int, rows: Mapping[UnifiedTaskName, np.ndarray]
) -> dict[UnifiedTaskName, np.ndarray]:
    """Answers of an entrant to the images that count, by task."""
    return {task: one.values[rows[task]] for (who, task), one in kept.items() if who == place}


def score_all(plan: Plan, kept: Kept) -> UnifiedResult:
    """Score every compared model on the images that count, and compare them with the first."""
    rows = counted_rows(plan, kept)
    index = plan.index.take(rows)
    models = []
    for place, entrant in enumerate(plan.entrants[: plan.num_compared]):
        mine = answers_of(kept, place, rows)
        taught = {task: who for (of, task), who in plan.teachers.items() if of == place}
        theirs = {task: kept[who, task].values[rows[task]] for task, who in taught.items()}
        scores = score_model(entrant.config, index, mine, theirs)
        sides = sides_of(entrant.config)
        models.append(
            ModelResult(
                name=entrant.name,
                source=entrant.source,
                digest=entrant.digest,
                sides={task: sides[task] for task in entrant.tasks},
                scores=scores,
                teachers={
                    task: TeacherResult(
                        plan.entrants[taught[task]].source, plan.entrants[taught[task]].digest, one
                    )
                    for task, one in scores.teachers.items()
                },
                class_confusion=_class_confusion(index, mine.get("cls")),
                pixel_confusion=mine["seg"].sum(axis=0).astype(np.int64) if "seg" in mine else None,
            )
        )
    first = models[0].scores.metrics
    return UnifiedResult(
        split=plan.split,
        sets=_facts(plan, index, _pixels(kept, rows)),
        skipped=dict(plan.index.skipped),
        models=tuple(models),
        differences={one.name: _differences(first, one.scores.metrics) for one in models[1:]},
    )


def _differences(first: dict[str, Measured], other: dict[str, Measured]) -> dict[str, Measured]:
    return {name: difference(one, other[name]) for name, one in first.items() if name in other}


def _class_confusion(index: UnifiedIndex, answers: np.ndarray | None) -> np.ndarray | None:
    if answers is None or index.cls is None:
        return None
    count = len(index.cls.class_names)
    pairs = index.cls.labels * count + answers.astype(np.int64) - 1
    return np.bincount(pairs, minlength=count**2).reshape(count, count)


def _pixels(kept: Kept, rows: Mapping[UnifiedTaskName, np.ndarray]) -> np.ndarray | None:
    """(N, C) true pixels of each class in each image, at the size the first model sees."""
    for (_, task), one in kept.items():
        if task == "seg":
            return one.values[rows["seg"]].sum(axis=2).astype(np.int64)
    return None


def _facts(
    plan: Plan, index: UnifiedIndex, pixels: np.ndarray | None
) -> dict[UnifiedTaskName, SetFacts]:
    """The sets as they were counted."""
    det, seg, cls = index.det, index.seg, index.cls
    facts: dict[UnifiedTaskName, SetFacts] = {}
    for task in UNIFIED_TASKS:
        one = {"det": det, "seg": seg, "cls": cls}[task]
        if one is None:
            continue
        counts: dict[str, str] = {}
        if det is not None and task == "det":
            counts = {k: f"{a} boxes in {b} images" for k, (a, b) in det.class_counts().items()}
        if seg is not None and task == "seg" and pixels is not None:
            sums, images = pixels.sum(axis=0).tolist(), (pixels > 0).sum(axis=0).tolist()
            counts = {
                name: f"{total} pixels in {number} images"
                for name, total, number in zip(seg.class_names, sums, images, strict=True)
            }
        if cls is not None and task == "cls":
            counts = {name: f"{count} images" for name, count in cls.class_counts().items()}
        root = "embedded scenes" if plan.data.embedded else one.root
        missing = plan.index.lengths[task] - len(one)
        facts[task] = SetFacts(root, one.split, len(one), missing, one.class_names, counts)
    return facts
