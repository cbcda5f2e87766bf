from __future__ import annotations

import json

import numpy as np
import pytest

from mtl.conditions import CONDITIONS
from mtl.data.bad_items import BadItems
from mtl.data.condition_files import LabelCounts, find_labels, read_conditions
from mtl.errors import DataError
from tests.data.sequence_files import box, flag_record, write_records

LENGTH = 6
PICTURES = [f"{number:08d}.jpg" for number in range(1, LENGTH + 1)]
BOXES = np.array([box(row) for row in range(LENGTH)])


class Reading:
    """Labels of one sequence 'boat', by name, with what was counted on the way."""

    def __init__(self, root, on_error="stop", rule="hiptrack", min_confidence=0.0, fmt="xywh"):
        source = find_labels(str(root), str(root), "train")
        self.file = source.find("boat")
        bad, self.counts = BadItems(on_error), LabelCounts()
        labels = read_conditions(
            source,
            self.file,
            "boat",
            PICTURES,
            BOXES,
            np.ones(LENGTH, dtype=bool),
            rule=rule,
            min_confidence=min_confidence,
            box_format=fmt,
            bad=bad,
            counts=self.counts,
        )
        self.names = [None if number < 0 else CONDITIONS[number] for number in labels.conditions]
        self.labels = labels
        self.skipped = bad.counts


def labels_of(tmp_path, records, **options):
    write_records(tmp_path / "boat" / "boat.jsonl", records)
    return Reading(tmp_path, **options)


def bare(row, **flags):
    """Form B1."""
    record = flag_record("boat", row)
    vlm = {key: int(key in flags) for key in record["vlm_response"] if key != "raw_confidence"}
    return {**record, "vlm_response": vlm}


def guide(row, **flags):
    """Form B3: no frame_id, `confidence` spelt out."""
    return {
        "sequence_name": "boat",
        "frame_file": PICTURES[row],
        "template_bbox": [1, 2, 3, 4],
        "vlm_response": {key: {"flag": 1, "confidence": value} for key, value in flags.items()},
        "cv_response": {"scale_variation": 0, "low_res": 1},
    }


def soft(row, agreement=0.9, **probabilities):
    """Form C."""
    return {
        "schema_version": 2,
        "sequence_name": "boat",
        "frame_id": row + 1,
        "frame_file": PICTURES[row],
        "attributes": {
            key: {"prob": value, "source": "vlm"} for key, value in probabilities.items()
        },
        "severity": 0.5,
        "vlm_agreement": agreement,
        "ground_truth_bbox": list(box(row)),
    }


def test_generated_records_are_matched_by_frame_not_by_line(tmp_path):
    reading = labels_of(
        tmp_path,
        [
            flag_record("boat", 4, vlm=["occlusion", "motion_blur"]),
            flag_record("boat", 0, cv=["low_res", "low_contrast"]),
            flag_record("boat", 2),
        ],
    )
    assert reading.names == ["low_resolution", None, "normal", None, "occlusion", None]
    assert reading.counts.decided_by == {"vlm": 1, "computed": 1, "normal": 1}


def test_simtrack_rule_follows_the_record(tmp_path):
    record = flag_record("boat", 0, vlm=["occlusion", "motion_blur"])
    assert labels_of(tmp_path, [record], rule="simtrack").names[0] == "motion_blur"


def test_every_v1_form_is_read(tmp_path):
    short = {
        key: flag_record("boat", 2, vlm=["illu_change"])[key]
        for key in ("sequence_name", "frame_id", "frame_file", "cv_response", "vlm_response")
    }
    nested = {**flag_record("boat", 3, vlm=["variance_appear"]), "frame": {"frame_id": 4}}
    del nested["frame_id"], nested["frame_file"]
    reading = labels_of(
        tmp_path, [bare(0, occlusion=1), guide(1, motion_blur=0.2), short, nested, guide(4)]
    )
    assert reading.names == [
        "occlusion",
        "motion_blur",
        "illumination_change",
        "variance_in_appearance",
        "low_resolution",
        None,
    ]


def test_weak_vlm_flags_are_read_as_not_set(tmp_path):
    records = [guide(0, motion_blur=0.2), guide(1, motion_blur=0.6), bare(2, occlusion=1)]
    reading = labels_of(tmp_path, records, min_confidence=0.5)
    assert reading.names[:3] == ["low_resolution", "motion_blur", "occlusion"]


def test_soft_records_give_hard_labels_in_canonical_names(tmp_path):
    reading = labels_of(
        tmp_path,
        [
            soft(0, specular_glare=0.8, occlusion=0.6),
            soft(1, illumination_appearance_change=0.7),
            soft(2, out_of_frame=1.0, specular_glare=0.99),
            soft(3, occlusion=0.4),
            soft(4, agreement=0.0, occlusion=0.0),
            soft(5, occlusion=7),
        ],
    )
    assert reading.names == [
        "illumination_change",
        "illumination_change",
        "partial_visibility",
        "normal",
        None,
        "occlusion",
    ]
    assert reading.counts.decided_by == {"vlm": 3, "computed": 1, "normal": 1, "unlabelled": 1}


def test_oldest_form_is_one_file_for_all_sequences(tmp_path):
    frames = {
        "1": {"frame_file": PICTURES[0], "class_id": 9, "class_name": "Normal"},
        "2": {"frame_file": PICTURES[1], "class_id": 8, "class_name": "Low Contrast Object"},
        "3": {"frame_file": PICTURES[2], "class_id": 9, "class_name": "Normal", "error": "oom"},
    }
    content = {"sequences": {"boat": {"sequence_name": "boat", "frame_classifications": frames}}}
    (tmp_path / "mvtd_train_results.json").write_text(json.dumps(content))
    for place in (tmp_path, tmp_path / "mvtd_train_results.json"):
        reading = Reading(place)
        assert reading.names == ["normal", "low_contrast", None, None, None, None]
        assert reading.counts.decided_by == {"given": 2, "unlabelled": 1}


@pytest.mark.parametrize(
    ("line", "reason", "message"),
    [
        ("", "blank line", "blank"),
        ('{"frame_id": 2, "vlm_resp', "line is not JSON", "not valid JSON .*cut off"),
        ("[" * 100_000, "line is not JSON", "not valid JSON"),
        ("\udcff\udcfe", "line is not JSON", "not valid JSON"),
        ("17", "record is no object", "must be a JSON object"),
        ('{"frame_id": 2}', "record without conditions", "vlm_response"),
        ('{"cv_response": {}}', "record without frame", "frame_id or a frame_file"),
        ('{"frame_id": 2, "cv_response": {"sharks": 1}}', "unknown condition", "'sharks'"),
        ('{"frame_id": 2, "attributes": {"sharks": {"prob": 1}}}', "unknown condition", "'sharks'"),
        (
            '{"frame_id": 2, "cv_response": {"low_res": 3}}',
            "flag is not 0 or 1",
            "cv_response.low_res",
        ),
        ('{"frame_id": 2, "cv_response": {"low_res": null}}', "flag is not 0 or 1", "got None"),
        ('{"frame_id": 2, "cv_response": [1]}', "cv_response is no object", "must be an object"),
        ('{"frame_id": "2", "cv_response": {}}', "frame_id is no number", "whole number"),
        ('{"frame_id": true, "cv_response": {}}', "frame_id is no number", "whole number"),
        ('{"frame_id": 0, "cv_response": {}}', "frame absent", r"0 is not in 1\.\.6"),
        ('{"frame_id": 7, "cv_response": {}}', "frame absent", r"7 is not in 1\.\.6"),
        ('{"frame_file": "img1.jpg", "cv_response": {}}', "frame absent", "no frame 'img1.jpg'"),
        (
            '{"frame_id": 2, "frame_file": "00000003.jpg", "cv_response": {}}',
            "frame_id and frame_file differ",
            r"frame_id 2 is not the number of '00000003.jpg' \(3\)",
        ),
        (
            '{"frame_file": "../../secret.jpg", "cv_response": {}}',
            "frame_file outside the sequence",
            "bare file name",
        ),
        (
            '{"frame_id": 2, "frame_file": "/etc/passwd", "cv_response": {}}',
            "frame_file outside the sequence",
            "bare file name",
        ),
        ('{"frame_file": 2, "cv_response": {}}', "frame_file is no text", "must be text"),
        (
            '{"frame_id": 2, "sequence_name": "ship", "cv_response": {}}',
            "record of another sequence",
            "belongs to sequence 'ship'",
        ),
        (
            '{"frame_id": 2, "cv_response": {}, "ground_truth_bbox": [1, 2, 3]}',
            "box is not four numbers",
            "four numbers",
        ),
        (
            '{"frame_id": 2, "vlm_response": {"occlusion": {"flag": 1, "conf": "high"}}}',
            "confidence is no number",
            "vlm_response.occlusion",
        ),
        (
            '{"frame_id": 2, "attributes": {"occlusion": {"prob": NaN}}}',
            "confidence is no number",
            "attributes.occlusion",
        ),
    ],
)
def test_bad_line_is_named_or_counted(tmp_path, line, reason, message):
    file = write_records(tmp_path / "boat" / "boat.jsonl", [flag_record("boat", 0)])
    with file.open("a", encoding="utf-8", errors="surrogateescape") as out:
        out.write(f"{line}\n{json.dumps(flag_record('boat', 5))}\n")
    with pytest.raises(DataError, match=rf"boat\.jsonl, line 2: .*{message}"):
        Reading(tmp_path)
    reading = Reading(tmp_path, on_error="skip")
    assert reading.names == ["normal", None, None, None, None, "normal"]
    assert reading.skipped == {f"condition record: {reason}": 1}


def test_truncated_last_line_is_named_or_counted(tmp_path):
    file = write_records(tmp_path / "boat" / "boat.jsonl", [flag_record("boat", n) for n in (0, 1)])
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(DataError, match=r"line 2: the line is not valid JSON"):
        Reading(tmp_path)
    assert Reading(tmp_path, on_error="skip").names[:2] == ["normal", None]


def test_unknown_class_of_the_oldest_form_is_named(tmp_path):
    frames = {"1": {"class_name": "Sharks"}}
    content = {"sequences": {"boat": {"frame_classifications": frames}}}
    (tmp_path / "train.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match="sequence 'boat', frame 1: unknown condition 'Sharks'"):
        Reading(tmp_path)


def test_last_record_of_a_frame_counts(tmp_path):
    records = [flag_record("boat", 0, vlm=["occlusion"]), flag_record("boat", 0)]
    reading = labels_of(tmp_path, records)
    assert reading.names[0] == "normal"
    assert reading.counts.decided_by == {"normal": 1}


@pytest.mark.parametrize("name", ["boat.jsonl", "annotations.jsonl", "other.jsonl"])
def test_condition_file_is_found_under_every_name(tmp_path, name):
    write_records(tmp_path / "boat" / name, [flag_record("boat", 0)])
    assert Reading(tmp_path).file.endswith(f"/boat/{name}")


@pytest.mark.parametrize(
    "folder", ["train_maritime_env_clf_annts", "train_maritime_cond_v2", "train_20250929T010203Z"]
)
def test_label_folder_of_a_split_is_found(tmp_path, folder):
    write_records(tmp_path / folder / "boat" / "boat.jsonl", [flag_record("boat", 0)])
    (tmp_path / "train" / "boat").mkdir(parents=True)
    for labels in (str(tmp_path), None):
        source = find_labels(str(tmp_path), labels, "train")
        assert source.find("boat") == str(tmp_path / folder / "boat" / "boat.jsonl")
        assert source.find("ship") is None


def test_two_label_folders_must_be_told_apart(tmp_path):
    for folder in ("train_maritime_env_clf_annts", "train_maritime_cond_v2"):
        (tmp_path / folder).mkdir()
    with pytest.raises(DataError, match="several label folders for train"):
        find_labels(str(tmp_path), None, "train")


def test_boxes_that_contradict_the_ground_truth_are_noticed(tmp_path):
    x, y, w, h = box(0)
    corners = {**flag_record("boat", 0), "ground_truth_bbox": [x, y, x + w, y + h]}
    strange = {**flag_record("boat", 0), "ground_truth_bbox": [500, 500, 9, 9]}
    file = str(tmp_path / "boat" / "boat.jsonl")
    assert labels_of(tmp_path, [flag_record("boat", 0)]).counts.box_contradictions == {}
    assert labels_of(tmp_path, [corners]).counts.box_contradictions == {file: "xyxy"}
    assert labels_of(tmp_path, [corners], fmt="xyxy").counts.box_contradictions == {}
    assert labels_of(tmp_path, [strange]).counts.box_contradictions == {file: None}
