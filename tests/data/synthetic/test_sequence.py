from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from mtl.conditions import CONDITIONS
from mtl.config.schema import SyntheticConfig
from mtl.data.computed_conditions import cut_by_image, low_resolution, scale_variation
from mtl.data.synthetic.sequence import RenderedSequence, condition_of, render_sequence
from mtl.errors import ConfigError

SMALL = SyntheticConfig(width=128, height=96, frames=12, seed=5)
DEMO = SyntheticConfig()


@pytest.fixture(scope="module")
def demo_sequences() -> list[RenderedSequence]:
    """Each condition twice in the demo's size, from both splits."""
    return [render_sequence(DEMO, split, n) for split in ("train", "val") for n in range(10)]


@pytest.fixture(scope="module")
def small_sequences() -> list[RenderedSequence]:
    return [render_sequence(SMALL, "train", n) for n in range(20)]


@pytest.fixture(params=["demo_sequences", "small_sequences"])
def sequences(request: pytest.FixtureRequest) -> list[RenderedSequence]:
    value: list[RenderedSequence] = request.getfixturevalue(request.param)
    return value


def test_pictures_and_labels_have_one_entry_a_frame(sequences: list[RenderedSequence]) -> None:
    for s in sequences:
        length, height, width, channels = s.frames.shape
        assert s.frames.dtype == np.uint8
        assert channels == 3
        assert s.boxes.shape == (length, 4)
        assert s.masks.shape == (length, height, width)
        assert len(s.conditions) == len(s.visible) == len(s.visible_share) == len(s.cut) == length


def test_a_frame_has_its_sequences_condition_or_is_normal(
    sequences: list[RenderedSequence],
) -> None:
    for s in sequences:
        assert set(s.conditions) <= {s.condition, "normal"}


def test_first_frame_is_normal_and_the_condition_covers_most_of_the_rest(
    sequences: list[RenderedSequence],
) -> None:
    for s in sequences:
        if s.condition in ("normal", "low_resolution"):
            assert set(s.conditions) == {s.condition}
        else:
            assert s.conditions[0] == "normal"
            assert s.conditions.count(s.condition) >= len(s.conditions) / 2


def test_computed_rules_raise_a_flag_exactly_where_the_label_says_so(
    sequences: list[RenderedSequence],
) -> None:
    for s in sequences:
        height, width = s.frames.shape[1:3]
        for box, condition in zip(s.boxes, s.conditions, strict=True):
            assert scale_variation(box, s.boxes[0]) == (condition == "scale_variation"), s.name
            assert low_resolution(box) == (condition == "low_resolution"), s.name
            assert cut_by_image(box, height, width) == (condition == "partial_visibility"), s.name


def test_boxes_are_tight_round_the_target_and_inside_the_picture(
    sequences: list[RenderedSequence],
) -> None:
    for s in sequences:
        height, width = s.frames.shape[1:3]
        # a mast thinner than a pixel leaves the mask but stays in the box
        slack = 3.2 if s.condition == "low_resolution" else 2.2
        for (x, y, w, h), mask in zip(s.boxes, s.masks, strict=True):
            assert x >= 0
            assert y >= 0
            assert x + w <= width + 1e-3
            assert y + h <= height + 1e-3
            rows, columns = np.nonzero(mask)
            drawn = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            np.testing.assert_allclose([x, y, x + w, y + h], drawn, atol=slack, err_msg=s.name)


def test_only_occlusion_hides_the_target_behind_something(
    sequences: list[RenderedSequence],
) -> None:
    for s in sequences:
        share = s.visible_share
        if s.condition == "occlusion":
            assert share[np.array(s.conditions) == "occlusion"].max() <= 0.92
            assert share[0] > 0.95
            assert share.min() > 0.2  # never lost
        elif s.condition == "partial_visibility":
            assert share[np.array(s.conditions) == "partial_visibility"].min() < 0.9
        else:
            assert share.min() > 0.9, s.name


def test_severity_is_above_zero_exactly_where_a_condition_is(
    sequences: list[RenderedSequence],
) -> None:
    for s in sequences:
        assert s.severity.max() <= 1
        assert (s.severity > 0).tolist() == [c != "normal" for c in s.conditions], s.name


@pytest.mark.parametrize(
    ("condition", "seen"),
    [
        ("occlusion", lambda s: 1 - s.visible_share),
        ("partial_visibility", lambda s: 1 - s.visible_share),
        (
            "scale_variation",
            lambda s: np.abs(np.log(s.boxes[:, 2:].prod(1) / s.boxes[0, 2:].prod())),
        ),
        ("low_resolution", lambda s: -s.boxes[:, 2:].prod(1)),
    ],
)
def test_severity_follows_what_is_seen(
    condition: str,
    seen: Callable[[RenderedSequence], np.ndarray],
    demo_sequences: list[RenderedSequence],
) -> None:
    chosen = _of(demo_sequences, condition)
    on = [np.array(s.conditions) == condition for s in chosen]
    severity = np.concatenate([s.severity[keep] for s, keep in zip(chosen, on, strict=True)])
    effect = np.concatenate([seen(s)[keep] for s, keep in zip(chosen, on, strict=True)])
    assert np.corrcoef(severity, effect)[0, 1] > 0.6


def test_severity_of_low_contrast_follows_the_contrast_of_a_scene(
    demo_sequences: list[RenderedSequence],
) -> None:
    for s in _of(demo_sequences, "low_contrast"):
        on = np.array(s.conditions) == s.condition
        contrast = s.frames[on].std(axis=(1, 2, 3))
        assert np.corrcoef(s.severity[on], contrast)[0, 1] < -0.9


def _of(sequences: list[RenderedSequence], condition: str) -> list[RenderedSequence]:
    return [s for s in sequences if s.condition == condition]


def _grey(s: RenderedSequence, active: bool) -> np.ndarray:
    chosen = (np.array(s.conditions) == s.condition) == active
    return np.asarray(s.frames[chosen].mean(axis=3))


def test_fog_takes_most_of_the_contrast(sequences: list[RenderedSequence]) -> None:
    for s in _of(sequences, "low_contrast"):
        assert _grey(s, True).std() < 0.5 * _grey(s, False).std()


def test_blur_takes_most_of_the_detail(sequences: list[RenderedSequence]) -> None:
    for s in _of(sequences, "motion_blur"):
        detail = []
        for frame, mask in zip(s.frames.astype(np.float64), s.masks, strict=True):
            step = np.abs(np.diff(frame.mean(axis=2), axis=1))
            detail.append(step[mask[:, 1:]].mean())
        active = np.array(s.conditions) == "motion_blur"
        assert np.array(detail)[active].mean() < 0.6 * np.array(detail)[~active].mean()


def test_light_changes_strongly(sequences: list[RenderedSequence]) -> None:
    for s in _of(sequences, "illumination_change"):
        active = np.array(s.conditions) == s.condition
        before = s.frames[~active].mean(axis=(0, 1, 2))
        after = s.frames[active].mean(axis=(0, 1, 2))
        assert np.abs(after - before).max() > 35


def test_appearance_changes_beyond_what_movement_does(sequences: list[RenderedSequence]) -> None:
    for s in _of(sequences, "variance_in_appearance"):
        ratio = s.boxes[:, 2] / s.boxes[:, 3]
        colours = np.array(
            [f[m].mean(axis=0) for f, m in zip(s.frames, s.masks, strict=True)], dtype=np.float64
        )
        active = np.array(s.conditions) == s.condition
        squeezed = np.abs(np.log(ratio[active] / ratio[0])).max()
        repainted = np.abs(colours[active] - colours[0]).max()
        assert squeezed > 0.4 or repainted > 30


def test_movement_is_moderate(sequences: list[RenderedSequence]) -> None:
    for s in sequences:
        middle = s.boxes[:, :2] + s.boxes[:, 2:] / 2
        side = np.sqrt(s.boxes[0, 2] * s.boxes[0, 3])
        steps = np.linalg.norm(np.diff(middle, axis=0), axis=1)
        assert np.median(steps) <= 0.25 * side, s.name
        assert steps.max() <= 0.75 * side, s.name


def test_same_number_is_the_same_bytes() -> None:
    for number in (0, 3, 4, 7):
        a, b = (render_sequence(SMALL, "train", number) for _ in range(2))
        assert a.frames.tobytes() == b.frames.tobytes()
        assert a.boxes.tobytes() == b.boxes.tobytes()
        assert a.conditions == b.conditions


def test_a_sequence_does_not_depend_on_how_many_there_are() -> None:
    more = SMALL.model_copy(update={"train_sequences": 7, "val_sequences": 1})
    a, b = render_sequence(SMALL, "train", 2), render_sequence(more, "train", 2)
    assert a.frames.tobytes() == b.frames.tobytes()


@pytest.mark.parametrize(
    ("seed", "split", "number"), [(6, "train", 9), (5, "val", 9), (5, "test", 9), (5, "train", 19)]
)
def test_other_seed_split_or_number_is_another_sequence(seed: int, split: str, number: int) -> None:
    here = render_sequence(SMALL, "train", 9)
    other = render_sequence(SMALL.model_copy(update={"seed": seed}), split, number)
    assert here.name != other.name or seed != SMALL.seed
    assert here.frames.tobytes() != other.frames.tobytes()
    assert not np.array_equal(here.boxes, other.boxes)


def test_every_run_of_ten_sequences_holds_each_condition_once() -> None:
    for start in (0, 10, 50):
        assert sorted(condition_of(n) for n in range(start, start + 10)) == sorted(CONDITIONS)


@pytest.mark.parametrize(("width", "height", "frames"), [(96, 72, 3), (320, 180, 5), (120, 200, 4)])
def test_other_sizes_and_lengths(width: int, height: int, frames: int) -> None:
    config = SyntheticConfig(width=width, height=height, frames=frames)
    for number in range(10):
        s = render_sequence(config, "train", number)
        assert s.frames.shape == (frames, height, width, 3)
        for box, condition in zip(s.boxes, s.conditions, strict=True):
            assert low_resolution(box) == (condition == "low_resolution")
            assert scale_variation(box, s.boxes[0]) == (condition == "scale_variation")


def test_a_single_frame_is_normal_or_of_low_resolution() -> None:
    config = SMALL.model_copy(update={"frames": 1})
    for number in range(10):
        s = render_sequence(config, "train", number)
        assert s.conditions == ["low_resolution" if number == 6 else "normal"]


def test_too_small_pictures_are_refused() -> None:
    with pytest.raises(ConfigError, match="at least 96 and 72, got 64 and 48"):
        render_sequence(SyntheticConfig(width=64, height=48), "train", 0)


def test_unknown_split_is_refused() -> None:
    with pytest.raises(ConfigError, match="train, val, test, got 'valid'"):
        render_sequence(SMALL, "valid", 0)
