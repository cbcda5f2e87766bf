from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import pytest

from mtl.conditions import CONDITIONS
from mtl.config.schema import DataConfig, SyntheticConfig
from mtl.data.index import build_index
from mtl.data.synthetic.sequence import render_sequence
from mtl.data.synthetic.writer import CV_KEYS, VLM_KEYS, render_dataset
from mtl.errors import ConfigError, DataError

CONFIG = SyntheticConfig(
    width=128, height=96, frames=6, seed=11, train_sequences=10, val_sequences=3
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return render_dataset(tmp_path_factory.mktemp("synth") / "data", CONFIG)


def _records(root: Path, split: str, name: str) -> list[dict[str, Any]]:
    path = root / f"{split}_maritime_env_clf_annts" / name / f"{name}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_layout_is_that_of_mvtd(root: Path) -> None:
    for split, count in (("train", 10), ("val", 3)):
        names = (root / split / "list.txt").read_text().split()
        assert len(names) == count
        folders = sorted(p.name for p in (root / split).iterdir() if p.is_dir())
        assert folders == sorted(names)
        for name in names:
            files = sorted(p.name for p in (root / split / name).iterdir())
            assert files == [
                *(f"{n:08d}.jpg" for n in range(1, 7)),
                "absence.label",
                "cover.label",
                "cut_by_image.label",
                "groundtruth.txt",
            ]
    assert not (root / "test").exists()


def test_files_hold_what_was_rendered(root: Path) -> None:
    for number, name in enumerate((root / "train" / "list.txt").read_text().split()):
        sequence = render_sequence(CONFIG, "train", number)
        folder = root / "train" / name
        assert name == sequence.name
        boxes = np.loadtxt(folder / "groundtruth.txt", delimiter=",")
        np.testing.assert_array_equal(boxes, sequence.boxes)
        assert (folder / "absence.label").read_text().split() == ["0"] * 6
        cut = np.loadtxt(folder / "cut_by_image.label")
        np.testing.assert_array_equal(cut, sequence.cut)
        cover = np.loadtxt(folder / "cover.label")
        np.testing.assert_allclose(cover / 8, sequence.visible_share, atol=0.07)
        picture = np.asarray(cv2.imread(str(folder / "00000004.jpg")), dtype=int)[..., ::-1]
        assert np.abs(picture - sequence.frames[3]).mean() < 12  # the loss of JPEG


def test_records_give_back_the_condition_of_each_frame(root: Path) -> None:
    titles = {**VLM_KEYS, **CV_KEYS}
    for number, name in enumerate((root / "train" / "list.txt").read_text().split()):
        records = _records(root, "train", name)
        sequence = render_sequence(CONFIG, "train", number)
        assert [r["frame_id"] for r in records] == list(range(1, 7))
        for record, expected in zip(records, sequence.conditions, strict=True):
            vlm = {k: v["flag"] for k, v in record["vlm_response"].items() if k in VLM_KEYS}
            raised = [titles[k] for k, v in {**vlm, **record["cv_response"]}.items() if v]
            assert raised == ([] if expected == "normal" else [expected])
        assert [r["severity"] for r in records] == sequence.severity.tolist()


def test_records_have_the_form_of_the_first_published_version(root: Path) -> None:
    name = (root / "train" / "list.txt").read_text().split()[0]
    records = _records(root, "train", name)
    boxes = np.loadtxt(root / "train" / name / "groundtruth.txt", delimiter=",")
    for i, record in enumerate(records):
        assert list(record) == [
            "dataset_path", "processing_time", "model_name", "classes", "sequence_name",
            "total_frames", "template_bbox", "frame_id", "frame_file", "cv_response",
            "vlm_response", "ground_truth_bbox", "severity",
        ]  # fmt: skip
        assert len(record["classes"]) == len(CONDITIONS)
        assert list(record["vlm_response"]) == [*VLM_KEYS, "raw_confidence"]
        assert isinstance(record["vlm_response"]["raw_confidence"], float)
        assert record["frame_file"] == f"{i + 1:08d}.jpg"
        np.testing.assert_array_equal(record["ground_truth_bbox"], boxes[i])
        np.testing.assert_array_equal(record["template_bbox"], boxes[0])


def test_same_configuration_writes_the_same_bytes(root: Path, tmp_path: Path) -> None:
    again = render_dataset(tmp_path, CONFIG.model_copy(update={"train_sequences": 2}), ["train"])
    for path in sorted(p for p in again.rglob("*") if p.is_file() and p.name != "list.txt"):
        assert path.read_bytes() == (root / path.relative_to(again)).read_bytes()


def test_test_split_is_rendered_only_when_asked(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    config = CONFIG.model_copy(update={"frames": 2})
    root = render_dataset(tmp_path, config, ["test"], progress=lambda *n: seen.append(n))
    assert sorted(p.name for p in root.iterdir()) == ["test", "test_maritime_env_clf_annts"]
    assert len((root / "test" / "list.txt").read_text().split()) == 3
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_existing_split_is_not_overwritten(root: Path) -> None:
    with pytest.raises(DataError, match="exists already; choose an empty folder"):
        render_dataset(root, CONFIG)


def test_unknown_split_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="got 'dev'"):
        render_dataset(tmp_path / "new", CONFIG, ["train", "dev"])
    assert not (tmp_path / "new").exists()


def test_projects_own_reader_gives_back_boxes_and_conditions(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MTL_CACHE", str(tmp_path))
    splits: tuple[tuple[Literal["train", "val"], int], ...] = (("train", 10), ("val", 3))
    for split, count in splits:
        index = build_index(DataConfig(root=str(root)), split)
        assert index.num_sequences == count
        assert not index.skipped
        by_name = {render_sequence(CONFIG, split, n).name: n for n in range(count)}
        for i, name in enumerate(index.sequence_names):
            read, drawn = index.sequence(i), render_sequence(CONFIG, split, by_name[name])
            np.testing.assert_array_equal(read.boxes_xywh, drawn.boxes)
            assert read.visible.all()
            assert [CONDITIONS[c] for c in read.conditions] == drawn.conditions


def test_embedded_sequences_are_the_data_of_a_configuration_without_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MTL_CACHE", str(tmp_path))
    index = build_index(DataConfig(synthetic=CONFIG), "val")
    assert index.num_sequences == 3
    assert index.num_frames == 18
