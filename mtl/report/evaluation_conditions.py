"""An evaluation by condition: bars and tables with intervals, comparisons, the condition head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from mtl.conditions import CONDITIONS
from mtl.evaluation.analysis import Analysis
from mtl.evaluation.bootstrap import Interval
from mtl.evaluation.comparison import Comparison, Difference
from mtl.evaluation.conditions import Estimate, SubsetScore
from mtl.report.conditions import confusion_views
from mtl.report.html import Html, image, join, paragraph, section, table, tag
from mtl.report.trackers import (
    ConditionBars,
    color_of,
    condition_figure,
    encoded,
    reliability_figure,
    short,
)
from mtl.report.values import MISSING, number, words

ByCondition = Mapping[str, SubsetScore]


def condition_figures(analysis: Analysis) -> dict[str, tuple[str, Figure]]:
    """File name without ending -> (what it shows, figure); none where nothing is known."""
    figures = {}
    colors = {name: color_of(place) for place, name in enumerate(analysis.trackers)}
    for file, title, scores in _views(analysis):
        shown = [name for name in CONDITIONS if any(name in one for one in scores.values())]
        bars = [
            ConditionBars(tracker, [_ao(one.get(name)) for name in shown], colors[tracker])
            for tracker, one in scores.items()
        ]
        figure = condition_figure(bars, [words(name) for name in shown], title, "AO")
        figures[file] = (title, figure)
    return figures


def by_condition_section(analysis: Analysis, charts: Html) -> Html:
    """Tables of the scores by condition below their charts; empty without conditions."""
    tables = [_table(title, scores) for _, title, scores in _views(analysis)]
    if not tables:
        return Html("")
    return section(
        "By condition",
        charts,
        *tables,
        paragraph(
            "Frames of all sequences are pooled. Lines on the bars and brackets are 95 % "
            "intervals from drawing whole sequences again; a single sequence has none.",
            "soft",
        ),
    )


def comparison_section(analysis: Analysis) -> Html:
    """What each other tracker changes against the first, overall and by condition."""
    parts = [
        part
        for (first, other), comparison in analysis.comparisons.items()
        for part in _comparison(first, other, comparison)
    ]
    if not parts:
        return Html("")
    judged = {"": "", "labels": " Conditions are the labels'."}.get(
        analysis.judged_by, f" Conditions are what the head of {analysis.judged_by} said."
    )
    return section(
        "Comparison",
        *parts,
        paragraph(
            "Difference of AO on the same frames, with its 95 % interval from drawing pairs of "
            "sequences again. Helped or hurt where the interval excludes 0." + judged,
            "soft",
        ),
    )


def head_section(analysis: Analysis) -> Html:
    """How well each condition head names the condition of a frame; empty without any."""
    parts: list[Html] = []
    shown = [words(name) for name in CONDITIONS]
    for name, tracker in analysis.trackers.items():
        head = tracker.head
        if head is None:
            continue
        occurring = int((head.confusion.sum(axis=1) > 0).sum())
        parts.append(
            paragraph(
                f"{name}: {number(head.frames)} labelled frames, accuracy "
                f"{number(head.metrics['accuracy'])}, balanced accuracy "
                f"{number(head.metrics['balanced_accuracy'])} (chance "
                f"{number(1 / occurring)}), expected calibration error "
                f"{number(head.metrics['ece'])}, Brier score {number(head.metrics['brier'])}. "
                "Rows are the true condition, columns what the head said."
            )
        )
        parts.append(confusion_views(head.confusion, shown))
        figure = reliability_figure(head.calibration, f"Calibration of {short(name)}")
        chart = image(encoded(figure, "svg"), "image/svg+xml", "Reliability diagram", "")
        measures = ("precision", "recall", "f1")
        rows = [
            (words(c), *(number(head.metrics.get(f"{m}/{c}")) for m in measures))
            for c in CONDITIONS
            if f"f1/{c}" in head.metrics
        ]
        each = table("Each condition", ("condition", "precision", "recall", "F1"), rows)
        parts.append(tag("div", join([each, chart]), "pair"))
    return section("Condition heads", join(parts)) if parts else Html("")


def estimate_text(estimate: Estimate | None) -> str:
    """A value and its interval, as in 0.512 [0.43, 0.60]."""
    if estimate is None:
        return MISSING
    return number(estimate.value) + interval_text(estimate.interval)


def interval_text(interval: Interval | None) -> str:
    """An interval after its value; nothing where there is none."""
    return "" if interval is None else f" [{interval.low:.2f}, {interval.high:.2f}]"


def signed_interval_text(interval: Interval | None) -> str:
    """An interval of a difference, so exact that an end near 0 keeps its side."""
    return "" if interval is None else f"[{interval.low:+.3f}, {interval.high:+.3f}]"


def frames_text(scores: Sequence[SubsetScore | None]) -> str:
    """Frames of a condition: one number, or one of each tracker where their heads disagree."""
    counts = [0 if score is None else score.frames for score in scores]
    return " / ".join(map(number, counts[:1] if len(set(counts)) == 1 else counts))


def difference_row(what: str, difference: Difference) -> tuple[str, ...]:
    """A comparison's line: what, frames, sequences, both values, difference, verdict."""
    return (
        what,
        number(difference.frames),
        number(difference.sequences),
        number(difference.ao_a),
        number(difference.ao_b),
        f"{difference.difference:+.3f} {signed_interval_text(difference.interval)}".rstrip(),
        difference.verdict,
    )


def difference_rows(comparison: Comparison) -> list[tuple[str, ...]]:
    """All lines of a comparison, overall first."""
    rows = []
    if comparison.overall is not None:
        rows.append(difference_row("all frames", comparison.overall))
    rows += [difference_row(words(k), v) for k, v in comparison.by_condition.items()]
    return rows


def _comparison(first: str, other: str, comparison: Comparison) -> list[Html]:
    rows = difference_rows(comparison)
    headers = ("condition", "frames", "sequences", f"AO {short(first)}", f"AO {short(other)}")
    title = f"{other} against {first}"
    return [table(title, (*headers, "difference", "verdict"), rows)] if rows else []


def _views(analysis: Analysis) -> list[tuple[str, str, dict[str, ByCondition]]]:
    """(file, title, tracker -> scores by condition) by labels and by predictions."""
    trackers = analysis.trackers.items()
    views: list[tuple[str, str, dict[str, ByCondition]]] = [
        (
            "conditions_labels",
            "AO by labelled condition",
            {name: tracker.by_label for name, tracker in trackers if tracker.by_label},
        ),
        (
            "conditions_predicted",
            "AO by the condition that each tracker's own head said",
            {name: tracker.by_prediction for name, tracker in trackers if tracker.by_prediction},
        ),
    ]
    return [view for view in views if view[2]]


def _table(title: str, scores: dict[str, ByCondition]) -> Html:
    shown = [name for name in CONDITIONS if any(name in one for one in scores.values())]
    rows = []
    for name in shown:
        found = [one.get(name) for one in scores.values()]
        values = [estimate_text(None if one is None else one.metrics["ao"]) for one in found]
        halves = [estimate_text(None if one is None else one.metrics["sr_50"]) for one in found]
        rows.append((words(name), frames_text(found), *values, *halves))
    trackers = [short(name) for name in scores]
    headers = (
        "condition",
        "frames",
        *(f"AO {t}" for t in trackers),
        *(f"SR {t}" for t in trackers),
    )
    return table(f"{title}; SR at 0.50", headers, rows)


def _ao(score: SubsetScore | None) -> Estimate | None:
    return None if score is None else score.metrics["ao"]
