from __future__ import annotations

import pickle

import cv2
import numpy as np
import pytest

from mtl.config.schema import (
    AugmentationConfig,
    BackboneConfig,
    CropConfig,
    DataConfig,
    HIPTrackConfig,
)
from mtl.data import clips as clips_module
from mtl.data.clips import ClipSampler
from mtl.data.collate import collate
from mtl.data.images import read_image
from mtl.data.index import build_index
from mtl.errors import AwayError, DataError
from mtl.geometry.crop import box_in_crop, crop
from tests.data.sequence_files import flag_record, picture, write_records, write_root
from tests.data.stale_files import StaleFiles

MODEL = HIPTrackConfig(
    template=CropConfig(size=32, factor=2.0),
    search=CropConfig(size=64, factor=4.0),
    search_frames=2,
    backbone=BackboneConfig(width=32, depth=4, num_heads=2, elimination_blocks=(2,)),
)
STILL = AugmentationConfig(
    gray_probability=0.0,
    flip_probability=0.0,
    frame_flip_probability=0.0,
    brightness=0.0,
    scale_jitter=0.0,
    center_jitter=0.0,
    reverse_probability=0.0,
)


def sampler(root, training=True, augmentation=None, seed=3, **options) -> ClipSampler:
    data = DataConfig(root=str(root), **options)
    augmentation = augmentation or AugmentationConfig()
    return ClipSampler(build_index(data, "train"), MODEL, augmentation, data, seed, training)


def equal(a, b) -> bool:
    return a.keys() == b.keys() and all(np.array_equal(a[key], b[key]) for key in a)


def test_sample_depends_on_index_seed_and_number_alone(tmp_path):
    root = write_root(tmp_path)
    first = sampler(root)
    again = pickle.loads(pickle.dumps(sampler(root)))
    backwards = [again.sample(number) for number in (7, 3, 0)]
    for got, number in zip(backwards, (7, 3, 0), strict=True):
        assert equal(got, first.sample(number))
    assert not equal(first.sample(0), first.sample(1))
    assert not equal(first.sample(0), sampler(root, seed=4).sample(0))


def test_kept_pictures_change_nothing(tmp_path, monkeypatch):
    kept = sampler(write_root(tmp_path))
    first = [kept.sample(number) for number in range(4)]
    monkeypatch.setattr(clips_module, "read_image", lambda *_: pytest.fail("decoded again"))
    assert all(equal(kept.sample(number), want) for number, want in enumerate(first))
    monkeypatch.undo()
    monkeypatch.setattr(clips_module, "KEPT_BYTES", 0)
    fresh = sampler(tmp_path)
    assert all(equal(fresh.sample(number), want) for number, want in enumerate(first))


def test_sample_has_the_promised_arrays(tmp_path):
    root = write_root(tmp_path)
    write_records(
        root / "train_x" / "train-0" / "train-0.jsonl",
        [flag_record("train-0", row, vlm=["occlusion"]) for row in range(24)],
    )
    maker = sampler(root)
    batch = collate([maker.sample(number) for number in range(12)])
    want = {
        "template": ((12, 32, 32, 3), np.uint8),
        "search": ((12, 2, 64, 64, 3), np.uint8),
        "brightness": ((12, 3), np.float32),
        "template_box_xywh": ((12, 4), np.float32),
        "search_boxes_xywh": ((12, 2, 4), np.float32),
        "conditions": ((12, 2), np.int64),
        "distribution": ((12, 2, 10), np.float32),
        "attributes": ((12, 2, 9), np.float32),
        "attribute_mask": ((12, 2, 9), np.float32),
        "severity": ((12, 2), np.float32),
        "severity_mask": ((12, 2), np.float32),
        "size_features": ((12, 2, 2), np.float32),
        "sample": ((12,), np.int64),
        "sequence": ((12,), np.int64),
        "frames": ((12, 3), np.int64),
        "skipped": ((12,), np.int64),
    }
    assert {key: (value.shape, value.dtype.type) for key, value in batch.items()} == want
    assert batch["sample"].tolist() == list(range(12))
    labelled = batch["sequence"] == 0
    assert (batch["conditions"][labelled] == 0).all()
    assert (batch["conditions"][~labelled] == -100).all()
    assert np.abs(batch["brightness"] - 1).max() <= 0.2
    assert batch["skipped"].sum() == 0


def test_sample_without_changes_is_the_plain_crop(tmp_path):
    maker = sampler(write_root(tmp_path), augmentation=STILL)
    sample = maker.sample(5)
    sequence = maker.index.sequence(int(sample["sequence"]))
    frames = sample["frames"].tolist()
    assert frames == sorted(frames)
    image = read_image(sequence.frame_uris[frames[0]], 10**6)
    box = sequence.boxes_xywh[frames[0]]
    taken = crop(image, box, 2.0, 32)
    np.testing.assert_array_equal(sample["template"], taken.image)
    np.testing.assert_allclose(
        sample["template_box_xywh"], box_in_crop(box, box, taken.resize_factor, 32), rtol=1e-6
    )
    np.testing.assert_allclose(sample["size_features"][:, 0], 0, atol=1e-6)
    np.testing.assert_allclose(
        sample["size_features"][:, 1], np.log(np.sqrt(16 * 12) / 100), rtol=1e-6
    )
    assert (sample["brightness"] == 1).all()


@pytest.mark.parametrize("change", ["flip_probability", "frame_flip_probability"])
def test_mirrored_box_still_frames_the_target(tmp_path, change):
    # A grey target on black: wherever it is drawn, the box must be where the light is.
    root = write_root(tmp_path, train=1)
    frame = np.zeros((48, 64, 3), np.uint8)
    for row in range(24):
        shown = frame.copy()
        shown[12:24, 10 + row : 26 + row] = 200
        folder = root / "train" / "train-0"
        cv2.imwrite(str(folder / f"{row + 1:08d}.jpg"), shown, [cv2.IMWRITE_JPEG_QUALITY, 100])
    lines = "".join(f"{10 + row},12,16,12\n" for row in range(24))
    (folder / "groundtruth.txt").write_text(lines)
    mild = STILL.model_copy(update={change: 1.0, "center_jitter": 1.0, "scale_jitter": 0.1})
    for number in range(4):
        sample = sampler(root, augmentation=mild).sample(number)
        for pixels, box in zip(sample["search"], sample["search_boxes_xywh"], strict=True):
            rows, columns = np.nonzero(pixels[:, :, 0] > 100)
            edges = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]) / 64
            want = np.concatenate([box[:2], box[:2] + box[2:]])
            np.testing.assert_allclose(edges, want, atol=2.5 / 64)


def test_validation_keeps_brightness_and_draws_from_its_own_stream(tmp_path):
    root = write_root(tmp_path)
    plain = sampler(root, training=False)
    assert all((plain.sample(number)["brightness"] == 1).all() for number in range(5))
    assert any(
        not np.array_equal(plain.sample(n)["frames"], sampler(root).sample(n)["frames"])
        for n in range(5)
    )


def test_validation_does_not_mirror_single_crops(tmp_path):
    always = STILL.model_copy(update={"frame_flip_probability": 1.0})
    root = write_root(tmp_path)
    still = sampler(root, training=False, augmentation=STILL).sample(2)
    assert equal(sampler(root, training=False, augmentation=always).sample(2), still)


def test_bad_picture_stops_or_is_drawn_around_and_counted(tmp_path):
    root = write_root(tmp_path, train=2)
    for file in (root / "train" / "train-0").glob("*.jpg"):
        file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"cut off .*set data\.on_error=skip"):
        [sampler(root).sample(number) for number in range(8)]
    maker = sampler(root, on_error="skip")
    samples = [maker.sample(number) for number in range(8)]
    assert {int(sample["sequence"]) for sample in samples} == {1}
    assert sum(int(sample["skipped"]) for sample in samples) > 0
    assert equal(samples[3], sampler(root, on_error="skip").sample(3))


def test_hopeless_data_ends_in_a_sentence(tmp_path, monkeypatch):
    root = write_root(tmp_path, train=1, val=1)
    for file in (root / "train" / "train-0").glob("*.jpg"):
        file.unlink()
        file.touch()
    monkeypatch.setattr(clips_module, "MAX_ATTEMPTS", 5)
    with pytest.raises(DataError, match=r"sample 4 of train .* 5 attempts \(bad picture: 5\)"):
        sampler(root, on_error="skip").sample(4)


def test_target_outside_the_picture_is_rejected_not_trained_on(tmp_path, monkeypatch):
    root = write_root(tmp_path, train=1)
    (root / "train" / "train-0" / "groundtruth.txt").write_text("9000,9000,5,5\n" * 24)
    monkeypatch.setattr(clips_module, "MAX_ATTEMPTS", 3)
    with pytest.raises(DataError, match="crop outside the picture: 3"):
        sampler(root).sample(0)


@pytest.mark.parametrize(("length", "hidden"), [(19, 0), (24, 18)])
def test_short_or_hidden_sequences_give_no_clips(tmp_path, length, hidden):
    root = write_root(tmp_path, train=1, length=length)
    label = root / "train" / "train-0" / "absence.label"
    label.write_text("1\n" * hidden + "0\n" * (length - hidden))
    with pytest.raises(DataError, match=r"no sequence of train .*min_frames = 20 .*more than 6"):
        sampler(root)


def test_pictures_of_a_clip_are_decoded_once_each(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(clips_module, "KEPT_BYTES", 0)
    monkeypatch.setattr(
        clips_module, "read_image", lambda uri, limit: calls.append(uri) or picture(0)
    )
    sampler(write_root(tmp_path), augmentation=STILL).sample(0)
    assert len(calls) == len(set(calls)) == 3


@pytest.mark.parametrize("on_error", ["stop", "skip"])
def test_a_storage_that_is_away_for_a_while_changes_no_sample(tmp_path, monkeypatch, on_error):
    root = write_root(tmp_path)
    want = [sampler(root).sample(number) for number in range(3)]
    maker = sampler(root, on_error=on_error)
    stale = StaleFiles(monkeypatch, times=2)
    assert all(equal(maker.sample(number), want[number]) for number in range(3))
    assert stale.waits[:2] == [0.5, 1.0]


@pytest.mark.parametrize("on_error", ["stop", "skip"])
def test_no_other_clip_is_drawn_while_the_storage_is_away(tmp_path, monkeypatch, on_error):
    maker = sampler(write_root(tmp_path), on_error=on_error)
    stale = StaleFiles(monkeypatch)
    with pytest.raises(AwayError, match="Stale file handle"):
        maker.sample(0)
    assert len(stale.waits) == 4
