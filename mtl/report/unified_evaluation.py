"""The report of an evaluation of unified models: all on the same images, in one HTML file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mtl.config.unified import UnifiedTaskName
from mtl.evaluation.unified.result import RULES, ModelResult, UnifiedResult
from mtl.report.conditions import confusion_views
from mtl.report.frames import Picture
from mtl.report.html import (
    Html,
    definitions,
    details,
    join,
    page,
    paragraph,
    section,
    table,
    tag,
    text,
)
from mtl.report.measured import (
    CLASS_METRICS,
    difference_rows,
    measured_text,
    metric_name,
    metric_rows,
    teacher_rows,
)
from mtl.report.trackers import short
from mtl.report.values import label, number
from mtl.report.write import pictures_section

TASKS: dict[UnifiedTaskName, str] = {
    "det": "Detection",
    "seg": "Segmentation",
    "cls": "Classification",
}
INTERVALS = (
    "In brackets: 95 % bootstrap intervals, whole images drawn again 2000 times; models, teachers "
    "and differences are paired, on the same drawn images."
)


def unified_page(
    result: UnifiedResult, pictures: Mapping[UnifiedTaskName, Sequence[Picture]]
) -> str:
    """The whole report.

    Args:
        result: of all models.
        pictures: answers beside the truth, by task.
    """
    *names, last = [short(one.name) for one in result.models]
    title = f"{', '.join(names)} and {last}" if names else last
    return page(
        f"{title} – evaluation report",
        tag("header", join([paragraph("Evaluation report", "kicker"), tag("h1", text(title))])),
        _warning(result),
        section("Models", definitions(_facts(result)), _scores(result), _rules(result)),
        section("Beside the teachers", *(_teachers(one, result) for one in result.models)),
        section("Comparison", *_comparisons(result)),
        *(_task(result, task, pictures.get(task, ())) for task in result.sets),
        section("Everything", _sources(result)),
    )


def _warning(result: UnifiedResult) -> Html:
    notes = [
        f"{facts.unreadable} {TASKS[task].lower()} images cannot be read and are left out of every "
        "number, for all models."
        for task, facts in result.sets.items()
        if facts.unreadable
    ]
    notes += [f"{count} left out by the reader: {why}." for why, count in result.skipped.items()]
    return join(paragraph(note, "note") for note in notes)


def _facts(result: UnifiedResult) -> list[tuple[str, str]]:
    return [
        ("Split", result.split),
        *(
            (TASKS[task], f"{number(facts.images)} images of {facts.split}, {facts.root}")
            for task, facts in result.sets.items()
        ),
    ]


def _scores(result: UnifiedResult) -> Html:
    headers = ("metric", *(short(one.name) for one in result.models))
    return Html(table("Scores", headers, metric_rows(result)) + paragraph(INTERVALS, "soft"))


def _rules(result: UnifiedResult) -> Html:
    measured = {name for one in result.models for name in one.scores.metrics}
    rules = [(metric_name(name, result), rule) for name, rule in RULES.items() if name in measured]
    return details("How each is taken", definitions(rules))


def _teachers(model: ModelResult, result: UnifiedResult) -> Html:
    rows = teacher_rows(model, result)
    if not rows:
        return Html("")
    headers = ("metric", "single-task teacher", short(model.name), "drop")
    note = paragraph(
        "Drop: (teacher - model) / teacher, below 0 the model is the better one. Average change "
        "Δm: the mean of the tasks' changes, above 0 the model is the better one.",
        "soft",
    )
    return Html(table(f"{short(model.name)} and its teachers", headers, rows) + note)


def _comparisons(result: UnifiedResult) -> list[Html]:
    first = short(result.models[0].name)
    headers = ("metric", "A", "B", "B - A", "verdict on B")
    return [
        table(f"{short(name)} (B) against {first} (A)", headers, difference_rows(result, name))
        for name in result.differences
    ]


def _task(result: UnifiedResult, task: UnifiedTaskName, pictures: Sequence[Picture]) -> Html:
    """Classes, confusion and pictures of a task."""
    facts = result.sets[task]
    start = next(begin for begin, of in CLASS_METRICS.items() if of == task)
    able = [one for one in result.models if task in one.sides]
    rows = [
        (
            name,
            facts.counts.get(name, ""),
            *(measured_text(one.scores.metrics.get(start + name)) for one in able),
        )
        for name in facts.class_names
    ]
    headers = ("class", "in the truth", *(short(one.name) for one in able))
    classes = table(f"{label(start)} of each class", headers, rows)
    views = [_confusion(one, task, facts.class_names) for one in able]
    return join(
        [
            section(TASKS[task], classes, *views),
            pictures_section(
                pictures,
                paragraph("The worst images of the first model, then its best.", "soft"),
                title=f"{TASKS[task]}: answers beside the truth",
            ),
        ]
    )


def _confusion(model: ModelResult, task: UnifiedTaskName, names: Sequence[str]) -> Html:
    confusion = {"cls": model.class_confusion, "seg": model.pixel_confusion}.get(task)
    if confusion is None:
        return Html("")
    unit = "images" if task == "cls" else "pixels"
    title = f"{short(model.name)}: which class was said of which"
    return details(title, confusion_views(confusion, names, "class", unit))


def _sources(result: UnifiedResult) -> Html:
    rows = [(one.name, one.source, one.digest) for one in result.models]
    rows += [
        (f"{one.name}, teacher of {task}", teacher.source, teacher.digest)
        for one in result.models
        for task, teacher in one.teachers.items()
    ]
    return details("Models and their weights", table("", ("model", "from", "digest"), rows))
