from __future__ import annotations

import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtl.conditions import CONDITIONS
from mtl.config.schema import AugmentationConfig, DataConfig, SimTrackConfig
from mtl.data import clips as clips_module
from mtl.data.class_weights import class_counts, class_weights, training_class_weights
from mtl.data.clips import ClipSampler
from mtl.data.index import build_index
from mtl.errors import ConfigError
from tests.data.sequence_files import flag_record, write_records, write_root
from tests.data.test_clips import MODEL, STILL, equal

RARE, COMMON = CONDITIONS.index("occlusion"), CONDITIONS.index("normal")


@pytest.fixture
def root(tmp_path):
    """Six sequences: one unlabelled, four normal, one with occlusion in eight of its 24 frames."""
    root = write_root(tmp_path, train=6)
    for number in range(5):
        name = f"train-{number}"
        records = [
            flag_record(name, row, vlm=["occlusion"] if number == 4 and row % 3 == 1 else [])
            for row in range(24)
        ]
        write_records(root / "train_x" / name / f"{name}.jsonl", records)
    return root


def sampler(root, training=True, model=MODEL, weighted=True, seed=3):
    data = DataConfig(root=str(root), weighted_sampling=weighted, max_gap=20)
    split = "train" if training else "val"
    return ClipSampler(build_index(data, split), model, STILL, data, seed, training)


def drawn(maker, count):
    """Labels of the search frames of many draws, made without reading a picture."""
    rng = np.random.default_rng(0)
    clips = [maker._draw(rng) for _ in range(count)]
    rows = [maker.index.offsets[c.sequence] + np.array(c.search_frames) for c in clips]
    return maker.index.conditions[np.array(rows)]


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=12).filter(any))
def test_weights_are_inverse_to_counts_and_have_mean_1_over_classes_that_occur(counts):
    counts = np.array(counts)
    weights = class_weights(counts)
    occurs = counts > 0
    assert (weights[~occurs] == 0).all()
    assert weights.sum() == pytest.approx(occurs.sum())
    products = (weights * counts)[occurs]
    np.testing.assert_allclose(products, products[0])


def test_weights_of_ten_classes_that_all_occur_are_the_published_formula():
    counts = np.array([5, 10, 20, 40, 80, 1, 2, 3, 4, 1000])
    raw = counts.sum() / (10 * counts)
    np.testing.assert_allclose(class_weights(counts), raw * 10 / raw.sum())


def test_only_visible_labelled_frames_are_counted(root):
    (root / "train" / "train-4" / "absence.label").write_text("1\n" * 3 + "0\n" * 21)
    counts = class_counts(build_index(DataConfig(root=str(root)), "train"))
    assert counts[RARE] == 7
    assert counts[COMMON] == 4 * 24 + 14
    assert counts.sum() == counts[RARE] + counts[COMMON]


@pytest.mark.parametrize("key", ["data.weighted_sampling", "loss.class_weights"])
def test_weights_without_labels_are_refused(tmp_path, key):
    index = build_index(DataConfig(root=str(write_root(tmp_path))), "train")
    with pytest.raises(ConfigError, match=rf"{key} needs condition labels, and train of .* none"):
        training_class_weights(index, key)


def test_weighted_sampling_of_unlabelled_data_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"data\.weighted_sampling needs condition labels"):
        sampler(write_root(tmp_path))
    sampler(write_root(tmp_path / "other"), training=False)


def balance(labels):
    """Share of occlusion among the frames that are occlusion or normal."""
    return (labels == RARE).sum() / np.isin(labels, (RARE, COMMON)).sum()


@pytest.mark.parametrize("frames", [1, 2])
def test_weighted_draws_bring_the_conditions_closer_to_balance(root, frames):
    model = MODEL.model_copy(update={"search_frames": frames})
    plain = drawn(sampler(root, model=model, weighted=False), 3000)
    weighted = drawn(sampler(root, model=model), 3000)
    assert balance(plain) < 0.12
    assert balance(weighted) > 3 * balance(plain)


def test_single_frames_drawn_uniformly_come_into_balance(root):
    # As many draws as frames for each condition, or nearly: places are not quite equally likely.
    model = SimTrackConfig(search_frames=1)
    plain = drawn(sampler(root, model=model, weighted=False), 6000)
    weighted = drawn(sampler(root, model=model), 6000)
    odds = balance(plain) / (1 - balance(plain))
    ratio = 112 / 8  # frames of either condition, so weights the other way round
    wanted = odds * ratio / (1 + odds * ratio)
    assert balance(weighted) == pytest.approx(wanted, abs=0.03)


def test_clips_without_a_label_keep_their_share(root):
    plain, weighted = (
        (drawn(sampler(root, model=SimTrackConfig(), weighted=flag), 4000) < 0).mean()
        for flag in (False, True)
    )
    assert plain == pytest.approx(1 / 6, abs=0.03)
    assert weighted == pytest.approx(plain, abs=0.03)


def test_validation_is_never_weighted(root):
    plain, weighted = (sampler(root, training=False, weighted=flag) for flag in (False, True))
    assert all(equal(plain.sample(n), weighted.sample(n)) for n in range(6))


def test_no_picture_of_a_rejected_clip_is_read(root, monkeypatch):
    read = []
    monkeypatch.setattr(clips_module, "KEPT_BYTES", 0)
    original = clips_module.read_image
    monkeypatch.setattr(
        clips_module, "read_image", lambda uri, limit: read.append(uri) or original(uri, limit)
    )
    maker = sampler(root)
    for number in range(10):
        maker.sample(number)
    assert len(read) == 10 * 3


def test_a_condition_that_can_hardly_be_drawn_does_not_hold_a_sample_up(root, monkeypatch):
    monkeypatch.setattr(clips_module, "MAX_REJECTIONS", 1)
    first, plain = sampler(root), sampler(root, weighted=False)
    labels = [drawn(maker, 300) for maker in (first, plain)]
    assert balance(labels[0]) == pytest.approx(balance(labels[1]), abs=0.05)


def test_weighted_sample_is_the_same_in_another_process(root, tmp_path):
    maker = sampler(root)
    (tmp_path / "sampler").write_bytes(pickle.dumps(maker))
    program = (
        "import pickle, sys, pathlib; folder = pathlib.Path(sys.argv[1]);"
        "maker = pickle.loads((folder / 'sampler').read_bytes());"
        "samples = [maker.sample(number) for number in (5, 2)];"
        "(folder / 'samples').write_bytes(pickle.dumps(samples))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True, env=environment)
    there = pickle.loads((tmp_path / "samples").read_bytes())
    assert equal(there[0], maker.sample(5))
    assert equal(there[1], maker.sample(2))


def test_a_pair_model_trains_forwards_only(root):
    model = SimTrackConfig(
        template={"size": 32, "factor": 2.0},
        search={"size": 64, "factor": 4.0},
        search_frames=2,
        backbone={"width": 32, "depth": 1, "num_heads": 2, "patch_size": 8, "fovea": 16},
    )
    data = DataConfig(root=str(root), max_gap=5)
    always = AugmentationConfig(reverse_probability=1.0)
    maker = ClipSampler(build_index(data, "train"), model, always, data, 0, training=True)
    for number in range(20):
        sample = maker.sample(number)
        offsets = sample["frames"][1:] - sample["frames"][0]
        assert ((offsets >= 1) & (offsets <= 4)).all()
        assert sample["search"].shape == (2, 64, 64, 3)
