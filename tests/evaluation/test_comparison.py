from __future__ import annotations

import numpy as np
import pytest

from mtl.conditions import CONDITION_IDS
from mtl.errors import ShapeError
from mtl.evaluation.comparison import compare
from mtl.evaluation.conditions import labelled_membership
from tests.evaluation.scores import score

BLUR, NORMAL = CONDITION_IDS["motion_blur"], CONDITION_IDS["normal"]


def _labels(count: int) -> dict[str, np.ndarray]:
    labels = {f"s{i}": np.array([NORMAL, BLUR, NORMAL]) for i in range(count)}
    return labelled_membership(labels)


def test_a_tracker_may_help_in_one_condition_and_hurt_in_another() -> None:
    rng = np.random.default_rng(2)
    hard, easy = rng.uniform(0.2, 0.6, 20), rng.uniform(0.5, 0.9, 20)
    a = [score(f"s{i}", [hard[i], easy[i]]) for i in range(20)]
    b = [score(f"s{i}", [hard[i] + 0.2, easy[i] - 0.1]) for i in range(20)]
    found = compare(a, b, _labels(20))
    blur, normal = found.by_condition["motion_blur"], found.by_condition["normal"]
    assert (blur.verdict, normal.verdict) == ("helped", "hurt")
    assert blur.difference == pytest.approx(0.2)
    assert blur.interval == pytest.approx((0.2, 0.2))  # pairs differ alike, however they spread
    assert (blur.frames, blur.sequences) == (20, 20)
    assert found.overall is not None
    assert found.overall.difference == pytest.approx(0.05)
    assert found.overall.ao_b - found.overall.ao_a == pytest.approx(0.05)


def test_a_tracker_is_no_different_from_itself() -> None:
    scores = [score(f"s{i}", [i / 10, 0.5]) for i in range(8)]
    found = compare(scores, scores, _labels(8))
    assert found.overall is not None
    assert found.overall.verdict == "no difference"
    assert found.overall.interval == (0.0, 0.0)
    assert {one.verdict for one in found.by_condition.values()} == {"no difference"}


def test_swapping_the_trackers_swaps_the_verdict() -> None:
    rng = np.random.default_rng(4)
    a = [score(f"s{i}", rng.uniform(0, 0.5, 2).tolist()) for i in range(9)]
    b = [score(f"s{i}", rng.uniform(0.4, 1, 2).tolist()) for i in range(9)]
    there, back = compare(a, b, {}).overall, compare(b, a, {}).overall
    assert there is not None
    assert back is not None
    assert (there.verdict, back.verdict) == ("helped", "hurt")
    assert there.difference == pytest.approx(-back.difference)


@pytest.mark.parametrize(
    ("count", "verdict"), [(1, "too few sequences"), (5, "too few sequences"), (6, "helped")]
)
def test_few_sequences_are_said_to_be_too_few(count: int, verdict: str) -> None:
    a = [score(f"s{i}", [0.1, 0.1]) for i in range(count)]
    b = [score(f"s{i}", [0.9, 0.9]) for i in range(count)]
    overall = compare(a, b, {}).overall
    assert overall is not None
    assert overall.verdict == verdict
    assert overall.difference == pytest.approx(0.8)


def test_sequences_of_one_tracker_only_are_named_and_left_out() -> None:
    both = [score(f"s{i}", [0.5]) for i in range(6)]
    found = compare([*both, score("x", [0.0])], [score("y", [1.0]), *both], {})
    assert (found.only_a, found.only_b) == (("x",), ("y",))
    assert found.overall is not None
    assert found.overall.sequences == 6
    assert found.overall.difference == 0.0


def test_nothing_in_common_gives_no_number() -> None:
    found = compare([score("x", [0.1])], [score("y", [0.1])], {})
    assert found.overall is None
    assert found.by_condition == {}


def test_scores_on_other_frames_are_refused() -> None:
    a, b = [score("x", [0.1], absent=[1])], [score("x", [0.1], absent=[2])]
    with pytest.raises(ShapeError, match="x: the two trackers were scored on different frames"):
        compare(a, b, {})
