"""The condition head in the report: confusion matrix as a heat map, accuracy of each class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mtl.conditions import CONDITIONS
from mtl.evaluation.confusion import class_accuracy, condition_metrics
from mtl.report.html import Html, join, paragraph, scrolled, section, tag, text
from mtl.report.metrics import History
from mtl.report.values import MISSING, number, words

RIGHT, WRONG = (20, 99, 158), (200, 80, 30)
"""RGB of a full cell on and off the diagonal."""


def condition_section(history: History) -> Html:
    """The latest validation's confusion matrix and class accuracies; empty without labels."""
    found = history.confusion()
    if found is None or not found[1].sum():
        return Html("")
    line, confusion = found
    names = CONDITIONS if len(confusion) == len(CONDITIONS) else _numbered(len(confusion))
    shown = [words(name) for name in names]
    total = condition_metrics(confusion, names)
    frames = int(confusion.sum())
    return section(
        "Conditions",
        paragraph(
            f"Epoch {line['epoch']}, {number(frames)} labelled validation frames: accuracy "
            f"{number(total['accuracy'])}, balanced accuracy {number(total['balanced_accuracy'])} "
            f"(chance {number(1 / len(names))}). Rows are the true condition, columns what the "
            "head said; a cell's shade is its share of the row.",
            "soft",
        ),
        confusion_views(confusion, shown),
    )


def confusion_views(
    confusion: np.ndarray, names: Sequence[str], what: str = "condition", unit: str = "frames"
) -> Html:
    """A (C, C) matrix of counts as a heat map, and beside it the accuracy of each class.

    Args:
        confusion: counts, [true, said].
        names: of the classes.
        what: a class is.
        unit: of the counts.
    """
    matrix, bars = _heat_map(confusion, names, unit), _bars(confusion, names, what, unit)
    return tag("div", join([scrolled(matrix), scrolled(bars)]), "pair")


def _numbered(count: int) -> tuple[str, ...]:
    return tuple(f"class_{number}" for number in range(count))


def _heat_map(confusion: np.ndarray, names: Sequence[str], unit: str) -> Html:
    head = "".join(f'<th scope="col"><span>{text(name)}</span></th>' for name in names)
    rows = []
    for true, (name, counts) in enumerate(zip(names, confusion.tolist(), strict=True)):
        samples = sum(counts)
        cells = "".join(
            _cell(count, count / samples if samples else 0.0, predicted == true)
            for predicted, count in enumerate(counts)
        )
        rows.append(f'<tr><th scope="row">{text(name)}</th>{cells}</tr>')
    return Html(
        f'<table class="heat"><caption>Confusion matrix, {text(unit)}</caption>'
        f'<thead><tr><th scope="col">true \\ said</th>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table>"
    )


def _cell(count: int, share: float, right: bool) -> str:
    if not count:
        return '<td class="none">0</td>'
    color = RIGHT if right else WRONG
    shade = 0.12 + 0.88 * share
    mixed = tuple(round(255 + (channel - 255) * shade) for channel in color)
    ink = "#fff" if shade > 0.6 else "#22303c"
    return f'<td style="background:rgb{mixed};color:{ink}">{text(number(count))}</td>'


def _bars(confusion: np.ndarray, names: Sequence[str], what: str, unit: str) -> Html:
    rows = []
    accuracies = class_accuracy(confusion).tolist()
    samples = confusion.sum(axis=1).tolist()
    for name, accuracy, count in zip(names, accuracies, samples, strict=True):
        bar = f'<span class="bar"><i style="width:{100 * accuracy:.1f}%"></i></span>'
        rows.append(
            f'<tr><th scope="row">{text(name)}</th><td>{bar if count else ""}</td>'
            f"<td>{number(accuracy) if count else MISSING}</td><td>{text(number(count))}</td></tr>"
        )
    return Html(
        f'<table class="bars"><caption>Accuracy of each {text(what)}</caption><thead><tr>'
        f'<th scope="col" colspan="2">{text(what)}</th><th scope="col">accuracy</th>'
        f'<th scope="col">{text(unit)}</th></tr></thead><tbody>{"".join(rows)}</tbody></table>'
    )
