from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtl.data.draw import draw_clip, draw_pair


@pytest.mark.parity
def test_drawn_clips_have_the_published_statistics(reference_root):
    cases = json.loads((reference_root / "hiptrack" / "sampler_stats.json").read_text())
    for name, want in cases.items():
        visible = np.array(list(want["visible"])) == "1"
        frames_of = len(want["mean_gap"])
        rng, rows, backwards = np.random.default_rng(5), [], 0
        while len(rows) < want["n"]:
            clip = draw_clip(visible, rng, frames_of, 70)
            if clip is not None:
                frames = [clip.template_frame, *clip.search_frames]
                backwards += clip.reversed
                rows.append(frames[::-1] if clip.reversed else frames)
        drawn = np.array(rows)
        gaps = np.diff(drawn, axis=1)
        assert visible[drawn].all()
        assert gaps.min() >= 1
        assert gaps.max() <= min(len(visible), 70) - 1

        def close(got, expected, spread, name=name, n=want["n"]):
            # Both sides are estimates from n draws.
            error = 5 * np.sqrt(2 / n) * np.asarray(spread) + 1e-9
            assert np.all(np.abs(np.asarray(got) - expected) <= error), (name, got, expected)

        close(drawn[:, 0].mean(), want["mean_start"], want["std_start"])
        close(gaps.mean(0), want["mean_gap"], want["std_gap"])
        close(drawn[:, -1].mean(), want["mean_last"], drawn[:, -1].std())
        close(backwards / want["n"], want["frac_reversed"], 0.5)


@given(
    visible=st.lists(st.booleans(), min_size=1, max_size=120),
    frames=st.integers(1, 6),
    gap=st.integers(1, 80),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=150, deadline=None)
def test_drawn_frames_are_visible_ordered_and_within_the_gap(visible, frames, gap, seed):
    shown = np.array(visible)
    clip = draw_clip(shown, np.random.default_rng(seed), frames, gap)
    if clip is None:
        return
    rows = [clip.template_frame, *clip.search_frames]
    assert len(rows) == frames + 1
    steps = np.diff(rows[::-1] if clip.reversed else rows)
    assert shown[rows].all()
    assert steps.min() >= 1
    assert steps.max() <= max(min(len(shown), gap) - 1, 1)


def test_sequence_without_candidates_is_given_up():
    rng = np.random.default_rng(0)
    assert draw_clip(np.zeros(30, bool), rng, 5, 70) is None
    assert draw_clip(np.ones(5, bool), rng, 5, 70) is None


@given(
    visible=st.lists(st.booleans(), min_size=1, max_size=300),
    frames=st.integers(1, 4),
    gap=st.integers(1, 250),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=200, deadline=None)
def test_search_frames_of_a_pair_are_visible_and_follow_the_template(visible, frames, gap, seed):
    shown = np.array(visible)
    clip = draw_pair(shown, np.random.default_rng(seed), frames, gap, sequence=7)
    rows = np.flatnonzero(shown)
    if len(rows) < 2:
        assert clip is None
        return
    assert clip is not None
    assert (clip.sequence, clip.reversed, len(clip.search_frames)) == (7, False, frames)
    offsets = np.array(clip.search_frames) - clip.template_frame
    assert shown[[clip.template_frame, *clip.search_frames]].all()
    assert offsets.min() >= 1
    # the range is wider than J only if some template has no visible frame within it
    if all((shown[t + 1 : t + gap]).any() for t in rows if t < len(shown) - 1):
        assert offsets.max() <= gap - 1


def test_pairs_are_uniform_over_templates_and_offsets_as_published():
    rng = np.random.default_rng(0)
    pairs = [draw_pair(np.ones(1000, bool), rng, 1, 200) for _ in range(40_000)]
    templates = np.array([pair.template_frame for pair in pairs])
    offsets = np.array([pair.search_frames[0] for pair in pairs]) - templates
    assert (templates.min(), templates.max()) == (0, 998)
    counts = np.bincount(templates // 100, minlength=10) / len(pairs)
    np.testing.assert_allclose(counts, 0.1, atol=0.01)
    inside = offsets[templates <= 800]
    assert (inside.min(), inside.max()) == (1, 199)
    assert inside.mean() == pytest.approx(100, abs=1.5)
    np.testing.assert_allclose(
        np.bincount(inside // 20, minlength=10)[1:9] * 10, len(inside), rtol=0.1
    )


def test_search_frames_of_a_pair_are_drawn_from_the_same_template_independently():
    rng = np.random.default_rng(0)
    clips = [draw_pair(np.ones(500, bool), rng, 2, 50) for _ in range(4_000)]
    offsets = np.array([np.array(c.search_frames) - c.template_frame for c in clips])
    assert abs(np.corrcoef(offsets.T)[0, 1]) < 0.1  # near the end of the sequence both are short
    assert (offsets[:, 0] > offsets[:, 1]).mean() == pytest.approx(0.5, abs=0.05)


def test_a_pair_reaches_farther_only_where_nothing_is_nearer():
    shown = np.zeros(400, bool)
    shown[[10, 300]] = True
    pair = draw_pair(shown, np.random.default_rng(0), 1, 200)
    assert (pair.template_frame, pair.search_frames) == (10, (300,))
