"""The report of a run: one HTML file that opens anywhere, offline."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import yaml

from mtl.errors import DataError
from mtl.files import write_atomically
from mtl.report.conditions import condition_section
from mtl.report.contents import TRACKERS, Contents
from mtl.report.frames import Picture, require_picture
from mtl.report.html import (
    Html,
    definitions,
    details,
    image,
    join,
    page,
    paragraph,
    section,
    tag,
    text,
)
from mtl.report.metrics import History, is_number, read_metrics
from mtl.report.task_weights import weight_warning
from mtl.report.training import curve_section, empty_note, epoch_table, last_and_best, tiles
from mtl.report.values import MISSING, duration, number

MAX_WIDTH = 960
"""Wider pictures are made smaller; the page shows them no wider."""
WIDE = 1.8
"""Width over height from which two pictures stand side by side, not three."""


def write_report(
    run_folder: Path, pictures: Sequence[Picture] = (), contents: Contents = TRACKERS
) -> Path:
    """Write report.html into a run folder, whole or not at all.

    Reads config.yaml, metrics.jsonl and results/. What a run has not got (yet) is shown as missing:
    it may have stopped in its first epoch, have no labels, or never have tracked.

    Args:
        run_folder: local folder of the run.
        pictures: results beside the truth, shown in this order.
        contents: what is shown of the run's family.

    Returns:
        Path of the report.

    Raises:
        DataError: if there is no readable config.yaml, or a metrics line or result file is broken;
            names file and line.
        ShapeError: if a picture is not (H, W, 3) uint8.
    """
    config_text, config = _read_config(run_folder / "config.yaml")
    metrics = run_folder / "metrics.jsonl"
    history = History.of(read_metrics(metrics) if metrics.exists() else [])
    facts = _facts(config, config_text, history, contents)
    name = str(config.get("name") or run_folder.resolve().name)
    document = page(
        f"{name} – training report",
        tag(
            "header",
            join([paragraph("Training report", "kicker"), tag("h1", text(name))]),
        ),
        empty_note(history),
        weight_warning(history),
        tiles(history, contents),
        section(
            "Summary",
            tag("div", join([last_and_best(history, contents), definitions(facts)]), "pair")
            if history.epochs
            else definitions(facts),
        ),
        contents.final_section(history, run_folder / "results"),
        pictures_section(pictures, title=contents.pictures),
        curve_section(history, contents),
        condition_section(history),
        section(
            "Everything",
            epoch_table(history, contents),
            details("Resolved config", tag("pre", text(config_text))),
        ),
    )
    path = run_folder / "report.html"
    write_atomically(path, document.encode("utf-8", "replace"))
    return path


def _read_config(path: Path) -> tuple[str, dict[str, Any]]:
    try:
        content = path.read_text(encoding="utf-8")
        config = yaml.safe_load(content)
    except FileNotFoundError:
        raise DataError(f"{path} is absent; give the folder of a run.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as text: {error}.") from None
    except yaml.YAMLError as error:
        raise DataError(f"{path} is not valid YAML: {' '.join(str(error).split())}.") from None
    if not isinstance(config, dict):
        raise DataError(f"{path} must be a map of keys; give the folder of a run.")
    return content, config


def _facts(
    config: dict[str, Any], config_text: str, history: History, contents: Contents
) -> list[tuple[str, str]]:
    stages = config.get("stages")
    stages = stages if isinstance(stages, dict) else {}
    if contents.stages is not None:
        stages = {name: stage for name, stage in stages.items() if name in contents.stages}
    begun = {stage for stage, _ in history.places()}
    # What comes before a run's first stage was trained by others, as a student's teachers are.
    own = itertools.dropwhile(lambda stage: bool(begun) and stage not in begun, stages)
    planned = [_lookup(stages, stage, "epochs") for stage in own]
    total = sum(planned) if all(isinstance(count, int) for count in planned) else None
    train = history.last("train")
    seconds = [x["seconds"] for x in history.epochs if is_number(x.get("seconds"))]
    counted = [x for x in history.epochs if is_number(x.get("skipped"))]
    # Counted once, when the training set is read; lines say so where it is not 0.
    left_out = [x["left_out"] if is_number(x.get("left_out")) else 0 for x in counted]
    return [
        ("Model", _shown(_lookup(config, "model", "family"))),
        ("Data", _data(config)),
        ("Stages", " → ".join(_stage(stages, stage) for stage in stages) or MISSING),
        ("Epochs finished", f"{len(history.places())} of {_shown(total)}"),
        ("Training time", duration(max(seconds) if seconds else None)),
        ("Samples seen", number(train.get("samples"))),
        ("Optimiser steps", number(train.get("step"))),
        ("Items skipped", number(sum(x["skipped"] for x in counted) if counted else None)),
        ("Left out by the reader", number(max(left_out, default=None))),
        ("Seed", _shown(config.get("seed"))),
        ("Config digest", hashlib.sha256(config_text.encode()).hexdigest()[:12]),
    ]


def _data(config: dict[str, Any]) -> str:
    """Where the data are: one root, or one of each task."""
    data = config.get("data")
    roots = data if isinstance(data, dict) else {}
    found = [(k.removesuffix("root").strip("_"), v) for k, v in roots.items() if k.endswith("root")]
    given = [f"{task}: {root}" if task else str(root) for task, root in found if root]
    return ", ".join(given) or "embedded"


def _stage(stages: dict[str, Any], name: str) -> str:
    epochs, rate = _lookup(stages, name, "epochs"), _lookup(stages, name, "learning_rate")
    unit = "epoch" if epochs == 1 else "epochs"
    return f"{name}: {_shown(epochs)} {unit} at {_shown(rate)}"


def _lookup(config: dict[str, Any], *keys: str) -> Any:
    value: Any = config
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _shown(value: Any) -> str:
    return MISSING if value is None else str(value)


def pictures_section(
    pictures: Sequence[Picture], *before: Html, title: str = "Tracked frames"
) -> Html:
    """Pictures side by side, at a size for the page; empty without any.

    Args:
        pictures: in the order in which they are shown.
        before: what stands above them.
        title: of the section.
    """
    figures = []
    for picture in pictures:
        require_picture(picture.image, f"picture '{picture.title}'")
        pixels, width = picture.image, picture.image.shape[1]
        if width > MAX_WIDTH:
            height = max(1, round(pixels.shape[0] * MAX_WIDTH / width))
            pixels = cv2.resize(pixels, (MAX_WIDTH, height), interpolation=cv2.INTER_AREA)
        _, data = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])
        description = f"{title}: {picture.title}"
        figures.append(image(data.tobytes(), "image/jpeg", description, picture.title))
    wide = any(picture.image.shape[1] > WIDE * picture.image.shape[0] for picture in pictures)
    content = (
        tag("div", join(figures), "pictures wide" if wide else "pictures") if figures else Html("")
    )
    return section(title, *before, content) if figures else Html("")
