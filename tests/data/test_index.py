from __future__ import annotations

import logging
import pickle
import shutil

import fsspec
import numpy as np
import pytest

from mtl.config.schema import DataConfig, SyntheticConfig
from mtl.data import index as index_module
from mtl.data.index import build_index, read_split_folder
from mtl.data.splits import held_out
from mtl.errors import AwayError, DataError
from tests.data.sequence_files import box, flag_record, write_records, write_root, write_sequence
from tests.data.stale_files import StaleFiles


def config(root, **options) -> DataConfig:
    return DataConfig(root=str(root), **options)


def same_frames(a, b) -> bool:
    """Whether two indices hold the same columns; what is unknown in both is the same."""
    names = [a.frames["frame"].equals(b.frames["frame"]), a.frames.schema == b.frames.schema]
    columns = ("boxes_xywh", "visible", "conditions", "distributions", "attributes", "severities")
    return all(names) and all(
        np.array_equal(getattr(a, name), getattr(b, name), equal_nan=True) for name in columns
    )


def same(a, b) -> bool:
    return (
        same_frames(a, b)
        and a.sequence_names == b.sequence_names
        and np.array_equal(a.offsets, b.offsets)
        and (a.root, a.split, a.skipped, a.label_rule_counts, a.warnings)
        == (b.root, b.split, b.skipped, b.label_rule_counts, b.warnings)
    )


def test_index_holds_what_the_folders_say(tmp_path):
    root = write_root(tmp_path, train=2)
    labels = root / "train_maritime_env_clf_annts" / "train-1" / "train-1.jsonl"
    write_records(labels, [flag_record("train-1", 3, vlm=["occlusion"])])
    index = build_index(config(root), "train")
    assert index.sequence_names == ("train-0", "train-1")
    assert index.num_frames == 48
    sequence = index.sequence(1)
    assert sequence.frame_uris[2] == str(root / "train" / "train-1" / "00000003.jpg")
    np.testing.assert_array_equal(sequence.boxes_xywh, [box(row) for row in range(24)])
    assert sequence.visible.dtype == bool
    assert sequence.visible.all()
    assert sequence.conditions.tolist() == [-100] * 3 + [0] + [-100] * 20
    assert np.flatnonzero(sequence.distributions.sum(axis=1)).tolist() == [3]
    assert np.flatnonzero(~np.isnan(sequence.attributes).all(axis=1)).tolist() == [3]
    assert np.isnan(sequence.severities).all()
    assert index.label_rule_counts == {"vlm": 1, "unlabelled": 47}
    assert index.frame_uri(24 + 2) == sequence.frame_uris[2]


def test_kept_index_is_the_built_one(tmp_path, own_cache, monkeypatch):
    root = write_root(tmp_path)
    first = build_index(config(root), "train")
    assert len(list((own_cache / "index").glob("*.arrow"))) == 1
    monkeypatch.setattr(index_module, "read_sequences", lambda *_: pytest.fail("built again"))
    assert same(build_index(config(root), "train"), first)


@pytest.mark.parametrize("change", ["box", "frame", "sequence", "label", "list", "option"])
def test_every_change_builds_the_index_again(tmp_path, change):
    root = write_root(tmp_path)
    file = root / "train_x" / "train-0" / "train-0.jsonl"
    write_records(file, [flag_record("train-0", 0)])
    before = build_index(config(root), "train")
    options = {}
    folder = root / "train" / "train-0"
    if change == "box":
        text = (folder / "groundtruth.txt").read_text()
        (folder / "groundtruth.txt").write_text(text.replace("12.5", "13.5"))
    elif change == "frame":
        (folder / "00000024.jpg").rename(folder / "00000025.jpg")
    elif change == "sequence":
        shutil.copytree(folder, root / "train" / "train-9")
    elif change == "label":
        write_records(file, [flag_record("train-0", 0, vlm=["occlusion"])])
    elif change == "list":
        (root / "train" / "list.txt").write_text("train-0\n")
    else:
        write_records(file, [flag_record("train-0", 0, vlm=["occlusion"])])
        before = build_index(config(root), "train")
        options = {"min_confidence": 0.9}
    assert not same(build_index(config(root, **options), "train"), before)


def test_damaged_kept_index_is_built_again(tmp_path, own_cache):
    root = write_root(tmp_path)
    first = build_index(config(root), "train")
    (file,) = (own_cache / "index").glob("*.arrow")
    file.write_bytes(file.read_bytes()[:100])
    assert same(build_index(config(root), "train"), first)


def test_index_survives_pickling(tmp_path):
    index = build_index(config(write_root(tmp_path)), "train")
    index.boxes_xywh  # noqa: B018 - fill the cached view, which must not travel
    data = pickle.dumps(index)
    assert same(pickle.loads(data), index)
    assert len(data) < index.frames.nbytes + 4_000


def test_index_is_built_from_any_uri(tmp_path):
    root = write_root(tmp_path)
    write_records(root / "train_x" / "train-0" / "train-0.jsonl", [flag_record("train-0", 0)])
    memory = fsspec.filesystem("memory")
    if memory.exists("/mtl-index"):
        memory.rm("/mtl-index", recursive=True)
    for file in root.rglob("*.*"):
        memory.pipe(f"/mtl-index/{file.relative_to(root)}", file.read_bytes())
    local = build_index(config(root), "train")
    for place in ("memory://mtl-index", root.as_uri()):
        remote = build_index(DataConfig(root=place), "train")
        assert same_frames(remote, local)
        assert remote.label_rule_counts == local.label_rule_counts
    assert build_index(DataConfig(root="memory://mtl-index"), "train").frame_uri(0) == (
        "memory://mtl-index/train/train-0/00000001.jpg"
    )


def test_validation_holds_out_whole_sequences_of_train(tmp_path):
    root = write_root(tmp_path, train=10, val=0)
    train = build_index(config(root, val_ratio=0.3), "train")
    val = build_index(config(root, val_ratio=0.3), "val")
    assert len(val.sequence_names) == 3
    assert not set(train.sequence_names) & set(val.sequence_names)
    assert len(train.sequence_names) == 7
    assert set(val.sequence_names) == held_out([f"train-{n}" for n in range(10)], 0.3)
    assert read_split_folder(config(root), "train").num_sequences == 10


def test_nothing_is_held_out_where_val_exists(tmp_path):
    assert build_index(config(write_root(tmp_path, train=3)), "train").num_sequences == 3


def test_single_sequence_trains_and_cannot_validate(tmp_path):
    root = write_root(tmp_path, train=1, val=0)
    assert build_index(config(root), "train").num_sequences == 1
    with pytest.raises(DataError, match="none can be held out for validation"):
        build_index(config(root), "val")


def test_missing_root_is_named(tmp_path):
    for place in (str(tmp_path / "none"), "memory://mtl-none"):
        with pytest.raises(DataError, match=r"data\.root .*none does not exist.*give the folder"):
            build_index(DataConfig(root=place), "train")


def test_missing_split_is_named(tmp_path):
    root = write_root(tmp_path)
    with pytest.raises(DataError, match="has no test/ folder but train/, val/"):
        build_index(config(root), "test")
    with pytest.raises(DataError, match="none of train/, val/, test/"):
        build_index(config(root / "train"), "train")


def test_empty_split_is_named(tmp_path):
    (tmp_path / "train").mkdir()
    with pytest.raises(DataError, match="/train has no sequences"):
        build_index(config(tmp_path), "train")
    write_sequence(tmp_path / "train" / "a")
    (tmp_path / "train" / "list.txt").write_text("\n")
    with pytest.raises(DataError, match="/train has no sequences"):
        build_index(config(tmp_path), "train")


def test_bad_items_stop_or_are_left_out_and_counted(tmp_path):
    root = write_root(tmp_path, train=3)
    (root / "train" / "train-1" / "groundtruth.txt").unlink()
    with pytest.raises(DataError, match=r"train-1 has no groundtruth\.txt.*data\.on_error=skip"):
        build_index(config(root), "train")
    for _ in range(2):  # built, then kept
        index = build_index(config(root, on_error="skip"), "train")
        assert index.sequence_names == ("train-0", "train-2")
        assert index.skipped == {"sequence without groundtruth.txt": 1}


def test_split_of_bad_sequences_only_is_an_error_in_any_case(tmp_path):
    root = write_root(tmp_path, train=1)
    (root / "train" / "train-0" / "groundtruth.txt").unlink()
    with pytest.raises(DataError, match=r"no usable sequence \(sequence without groundtruth"):
        build_index(config(root, on_error="skip"), "train")


def test_labels_that_were_asked_for_must_be_there(tmp_path):
    root = write_root(tmp_path / "data")
    with pytest.raises(DataError, match=r"data\.labels .*none does not exist"):
        build_index(config(root, labels=str(tmp_path / "none")), "train")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no condition file for any sequence"):
        build_index(config(root, labels=str(tmp_path / "empty")), "train")


def test_contradicting_boxes_warn_when_built_and_when_kept(tmp_path, caplog):
    root = write_root(tmp_path)
    record = {**flag_record("train-0", 0), "ground_truth_bbox": [10, 12.5, 26, 24.5]}
    write_records(root / "train_x" / "train-0" / "train-0.jsonl", [record])
    for _ in range(2):
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            build_index(config(root), "train")
        assert "set data.box_format=xyxy" in caplog.text


def test_embedded_sequences_are_the_default():
    tiny = SyntheticConfig(train_sequences=2, val_sequences=1, frames=4, width=96, height=72)
    index = build_index(DataConfig(synthetic=tiny), "train")
    assert index.num_sequences == 2
    assert index.num_frames == 8
    assert index.label_rule_counts["unlabelled"] < 8


@pytest.mark.real_data
def test_real_sequences_are_read(data_root):
    root = config(data_root / "tracking")
    sizes = {split: build_index(root, split).num_frames for split in ("train", "val", "test")}
    assert sizes == {"train": 837, "val": 260, "test": 575}
    test = build_index(root, "test")
    assert int((~test.visible).sum()) == 1


@pytest.mark.parametrize("on_error", ["stop", "skip"])
@pytest.mark.parametrize("ending", ["train", "groundtruth.txt"])
def test_a_storage_that_is_away_is_no_fault_of_the_data(tmp_path, monkeypatch, ending, on_error):
    config = DataConfig(root=str(write_root(tmp_path)), on_error=on_error)
    StaleFiles(monkeypatch, ending)
    with pytest.raises(AwayError, match="Stale file handle"):
        build_index(config, "train")
