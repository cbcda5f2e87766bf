"""One condition annotation of one frame, in every published form (annotation formats, section 2).

Reading is strict: a record that is not understood raises `BadRecordError`, whose two arguments are
a short reason for counting and the rest of a sentence.

Two published habits mark a frame of which the vision language model said nothing: a v2 record has
`vlm_agreement` 0, a v1 record a flag that is set with confidence 0 (the generator's default). Its
VLM attributes and severity are unknown, and unless a computed condition fires so is its
distribution, rather than calm. The hard label of such a v1 record stays what its flag says.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from mtl.conditions import (
    ATTRIBUTES,
    COMPUTED_ATTRIBUTES,
    KEYS,
    UNLABELLED,
    Label,
    LabelRule,
    canonical_name,
    label_from_flags,
    label_from_probabilities,
)
from mtl.data.condition_targets import (
    NOTHING,
    SoftTargets,
    attributes_from_flags,
    scores_from_attributes,
)
from mtl.data.storage import is_plain_name


class BadRecordError(Exception):
    """A record that cannot be used: (reason for counting, what is wrong and what to do)."""


class Record(NamedTuple):
    """What a record says, whatever its form.

    Attributes:
        frame_id: number of the frame from 1, none if not given.
        frame_file: file name of the frame, none if not given.
        sequence: name of the sequence, none if not given.
        label: condition and what decided it.
        soft: distribution, attributes and severity.
        box: the four numbers of `ground_truth_bbox`, none if not given.
    """

    frame_id: int | None
    frame_file: str | None
    sequence: str | None
    label: Label
    soft: SoftTargets
    box: tuple[float, float, float, float] | None


def read_record(record: Any, rule: LabelRule, min_confidence: float) -> Record:
    """Read a line of a JSONL file: flags (v1, forms B1 to B3) or probabilities (v2, form C).

    Args:
        record: the parsed JSON value.
        rule: which flag wins where a v1 record has several.
        min_confidence: VLM flags, confidences and probabilities below it are read as 0, for every
            kind of target; a bare flag states no confidence and stays.

    Raises:
        BadRecordError: if the record is of no known form or holds an impossible value.
    """
    if not isinstance(record, dict):
        raise BadRecordError("record is no object", "a record must be a JSON object; correct it")
    if record.get("schema_version") == 2 or "attributes" in record:
        label, soft = _probabilities(record, min_confidence)
    else:
        label, soft = _flags(record, rule, min_confidence)
    frame_id = record.get("frame_id")
    nested = record.get("frame")
    if frame_id is None and isinstance(nested, dict):
        frame_id = nested.get("frame_id")
    return _placed(record, frame_id, label, soft)


def read_classification(key: str, record: Any) -> Record:
    """Read a frame of a whole-data-set file (form A), whose key is the frame's number.

    A frame that failed has an `error` and is unlabelled: its class is the default of a parse error.
    """
    if not isinstance(record, dict) or not key.isdecimal():
        raise BadRecordError(
            "record is no object", "a frame must be an object under the frame's number; correct it"
        )
    if "error" in record:
        return _placed(record, int(key), UNLABELLED, NOTHING)
    text = record.get("class_name")
    name = canonical_name(text) if isinstance(text, str) else None
    if name is None:
        raise BadRecordError(
            "unknown condition", f"unknown condition {text!r} in class_name; use a published name"
        )
    flags = {key: KEYS[key] == name for key in KEYS}
    scores = {name: 1.0} if name != "normal" else {}
    soft = SoftTargets(scores, attributes_from_flags(flags), None)
    return _placed(record, int(key), Label(name, "given"), soft)


def _placed(record: Mapping[str, Any], frame_id: Any, label: Label, soft: SoftTargets) -> Record:
    frame_file, sequence = record.get("frame_file"), record.get("sequence_name")
    if frame_id is not None and (not isinstance(frame_id, int) or isinstance(frame_id, bool)):
        raise BadRecordError(
            "frame_id is no number", f"frame_id must be a whole number from 1, got {frame_id!r}"
        )
    for key, value in (("frame_file", frame_file), ("sequence_name", sequence)):
        if value is not None and not isinstance(value, str):
            raise BadRecordError(f"{key} is no text", f"{key} must be text, got {value!r}")
    if frame_file is not None and not is_plain_name(frame_file):
        raise BadRecordError(
            "frame_file outside the sequence",
            f"frame_file '{frame_file}' must be a bare file name of the sequence; correct it",
        )
    if frame_id is None and frame_file is None:
        raise BadRecordError(
            "record without frame", "a record needs a frame_id or a frame_file; add one"
        )
    box = _box(record.get("ground_truth_bbox"))
    return Record(frame_id, frame_file, sequence, label, soft, box)


class _Flag(NamedTuple):
    """A flag, how sure its annotator was, and whether that says anything."""

    is_set: bool
    score: float
    void: bool


def _flags(
    record: Mapping[str, Any], rule: LabelRule, min_confidence: float
) -> tuple[Label, SoftTargets]:
    if "vlm_response" not in record and "cv_response" not in record:
        raise BadRecordError(
            "record without conditions",
            "a record needs vlm_response and cv_response, or attributes; annotate the frame again",
        )
    vlm = _flag_set(record.get("vlm_response"), "vlm_response", min_confidence)
    computed = _flag_set(record.get("cv_response"), "cv_response", 0.0)
    label = label_from_flags(_is_set(vlm), _is_set(computed), rule)
    severity = _severity(record)
    if any(flag.void for flag in vlm.values()):
        judged, severity = computed, None
    else:
        judged = {**computed, **vlm}
    scores = {KEYS[key]: flag.score for key, flag in judged.items()}
    known = judged is not computed or any(scores.values())
    return label, SoftTargets(
        scores if known else None, attributes_from_flags(_is_set(judged)), severity
    )


def _is_set(flags: Mapping[str, _Flag]) -> dict[str, bool]:
    return {key: flag.is_set for key, flag in flags.items()}


def _flag_set(response: Any, where: str, min_confidence: float) -> dict[str, _Flag]:
    flags = {}
    for key, value in _items(response, where):
        if key == "raw_confidence":  # a number beside the flags, in every generated record
            continue
        if key not in KEYS:
            raise BadRecordError(
                "unknown condition",
                f"unknown condition '{key}' in {where}; known are {', '.join(KEYS)}",
            )
        flag, stated = value, None
        if isinstance(value, dict):
            flag = value.get("flag")
            stated = value.get("conf", value.get("confidence"))
        confidence = 1.0 if stated is None else _number(stated, f"{where}.{key}")
        if not isinstance(flag, (bool, int, float)) or flag not in (0, 1):
            raise BadRecordError(
                "flag is not 0 or 1", f"the flag of {where}.{key} must be 0 or 1, got {flag!r}"
            )
        strong = confidence >= min_confidence
        score = float(flag) if stated is None else _limited(confidence)
        flags[key] = _Flag(
            is_set=bool(flag) and strong,
            score=score if strong else 0.0,
            void=bool(flag) and confidence == 0,
        )
    return flags


def _probabilities(record: Mapping[str, Any], min_confidence: float) -> tuple[Label, SoftTargets]:
    probabilities = {}
    for key, value in _items(record.get("attributes"), "attributes"):
        if key not in ATTRIBUTES:
            raise BadRecordError(
                "unknown condition",
                f"unknown condition '{key}' in attributes; known are {', '.join(ATTRIBUTES)}",
            )
        stated = value.get("prob") if isinstance(value, dict) else value
        probability = _limited(_number(stated, f"attributes.{key}"))
        weak = key not in COMPUTED_ATTRIBUTES and probability < min_confidence
        probabilities[key] = 0.0 if weak else probability
    agreement = record.get("vlm_agreement")
    parsed = agreement is None or _number(agreement, "vlm_agreement") > 0
    label = label_from_probabilities(probabilities, parsed)
    severity = _severity(record)
    scores = None if label.condition is None else scores_from_attributes(probabilities)
    if parsed:
        return label, SoftTargets(scores, probabilities, severity)
    computed = {k: p for k, p in probabilities.items() if k in COMPUTED_ATTRIBUTES}
    return label, SoftTargets(scores, computed, None)


def _severity(record: Mapping[str, Any]) -> float | None:
    stated = record.get("severity")
    if stated is None:
        return None
    return _limited(_number(stated, "severity", "severity is no number"))


def _limited(value: float) -> float:
    return min(max(value, 0.0), 1.0)


def _items(response: Any, where: str) -> list[tuple[str, Any]]:
    if response is None:
        return []
    if not isinstance(response, dict):
        raise BadRecordError(
            f"{where} is no object", f"{where} must be an object, got {type(response).__name__}"
        )
    return list(response.items())


def _number(value: Any, where: str, reason: str = "confidence is no number") -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise BadRecordError(reason, f"{where} must have a finite number, got {value!r}")
    return float(value)


def _box(value: Any) -> tuple[float, float, float, float] | None:
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != 4:
        raise BadRecordError(
            "box is not four numbers", f"ground_truth_bbox must be four numbers, got {value!r}"
        )
    x, y, w, h = (_number(number, "ground_truth_bbox") for number in value)
    return x, y, w, h
