"""PCGrad, CAGrad and Nash-MTL against their definitions in the space of gradients."""

from __future__ import annotations

import functools
import itertools

import numpy as np
import pytest

from mtl.losses.gradient_weighting import cagrad, coefficients, nash_mtl, pcgrad


def gradients_of(count: int, seed: int, width: int = 6, spread: float = 1.0) -> np.ndarray:
    """(count, width) gradients, their lengths apart by factors of 10^spread."""
    rng = np.random.default_rng([count, seed])
    return rng.standard_normal((count, width)) * 10 ** rng.uniform(-spread, spread, (count, 1))


def literal_pcgrad(gradients: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    projected = []
    for i, own in enumerate(gradients):
        g = own.copy()
        for j in rng.permutation(len(gradients)):
            if j != i and g @ gradients[j] < 0:
                g -= (g @ gradients[j]) / (gradients[j] @ gradients[j]) * gradients[j]
        projected.append(g)
    return np.sum(projected, axis=0)


@pytest.mark.parametrize("count", [2, 3, 5])
@pytest.mark.parametrize("seed", range(10))
def test_pcgrad_is_the_sum_of_literal_projections(count: int, seed: int) -> None:
    gradients = gradients_of(count, seed, width=3)
    found = pcgrad(gradients @ gradients.T, np.random.default_rng(seed)) @ gradients
    wanted = literal_pcgrad(gradients, np.random.default_rng(seed))
    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-9 * np.abs(gradients).max())


def test_pcgrad_leaves_gradients_that_agree_alone() -> None:
    gram = np.array([[4.0, 1.0], [1.0, 9.0]])
    np.testing.assert_array_equal(pcgrad(gram, np.random.default_rng(0)), [1, 1])


def test_pcgrad_goes_through_the_others_in_an_order_drawn_anew() -> None:
    gradients = np.array([[1.0, 0.0], [-1.0, 1.0], [-1.0, -0.5]])
    gram = gradients @ gradients.T
    found = {tuple(pcgrad(gram, np.random.default_rng(seed)).round(9)) for seed in range(30)}
    assert len(found) > 1


def simplex(count: int, steps: int) -> np.ndarray:
    """(N, count) points of a grid on the simplex."""
    grid = [
        point
        for point in itertools.product(range(steps + 1), repeat=count - 1)
        if sum(point) <= steps
    ]
    points = np.array(grid, float) / steps
    return np.column_stack([points, 1 - points.sum(axis=1)])


@pytest.mark.parametrize(("count", "steps"), [(2, 20_000), (3, 400)])
@pytest.mark.parametrize("c", [0.2, 0.5, 1.0])
@pytest.mark.parametrize("seed", range(6))
def test_cagrad_minimises_as_a_grid_does(count: int, steps: int, c: float, seed: int) -> None:
    gradients = gradients_of(count, seed, width=3, spread=0.5)
    mean = gradients.mean(axis=0)
    length = np.linalg.norm(mean)

    def value(w: np.ndarray) -> np.ndarray:
        combined = w @ gradients
        return np.asarray(combined @ mean + c * length * np.linalg.norm(combined, axis=-1))

    points = simplex(count, steps)
    wanted = points[value(points).argmin()]
    found = (cagrad(gradients @ gradients.T, c) - 1) / (count * c * length)
    w = found / found.sum()
    assert (w >= -1e-12).all()
    assert value(w) <= value(wanted) + 1e-9 * length**2
    assert np.linalg.norm((w - wanted) @ gradients) <= 20 / steps * np.linalg.norm(gradients)


@pytest.mark.parametrize("count", [2, 3, 6])
@pytest.mark.parametrize("seed", range(10))
def test_cagrad_stays_in_its_ball_and_helps_the_worst_task(count: int, seed: int) -> None:
    """Primal and dual agree: min_i g_i.d is the value of the dual, so no direction does better."""
    c = 0.4
    gradients = gradients_of(count, seed, width=8)
    mean = gradients.mean(axis=0)
    length = np.linalg.norm(mean)
    direction = cagrad(gradients @ gradients.T, c) @ gradients / count
    assert np.linalg.norm(direction - mean) == pytest.approx(c * length, rel=1e-6)
    found = (cagrad(gradients @ gradients.T, c) - 1) / (count * c * length)
    combined = found / found.sum() @ gradients
    dual = combined @ mean + c * length * np.linalg.norm(combined)
    assert (gradients @ direction).min() == pytest.approx(dual, rel=1e-5, abs=1e-7 * length**2)


def test_cagrad_without_freedom_is_the_plain_sum() -> None:
    gradients = gradients_of(3, 0)
    np.testing.assert_array_equal(cagrad(gradients @ gradients.T, 0.0), [1, 1, 1])


@pytest.mark.parametrize("ratio", [1.0, 0.5])
def test_cagrad_of_opposite_gradients_is_finite(ratio: float) -> None:
    gradients = np.array([[1.0, 2.0], [-ratio, -2.0 * ratio]])
    found = cagrad(gradients @ gradients.T, 0.5)
    assert np.isfinite(found).all()
    mean = gradients.mean(axis=0)
    off = np.linalg.norm(found @ gradients / 2 - mean)
    assert off <= 0.5 * np.linalg.norm(mean) * (1 + 1e-6)


@pytest.mark.parametrize("count", [2, 3, 5, 8])
@pytest.mark.parametrize("spread", [0.0, 3.0])
@pytest.mark.parametrize("seed", range(10))
def test_nash_solves_its_equation(count: int, spread: float, seed: int) -> None:
    gradients = gradients_of(count, seed, width=20, spread=spread)
    gram = gradients @ gradients.T
    a = nash_mtl(gram)
    assert (a > 0).all()
    np.testing.assert_allclose(gram @ a * a, 1, rtol=1e-7)


def test_nash_of_two_gradients_has_a_closed_form() -> None:
    gram = np.array([[4.0, -1.5], [-1.5, 1.0]])  # lengths 2 and 1, cosine -0.75
    np.testing.assert_allclose(nash_mtl(gram), [1 / (2 * 0.25**0.5), 1 / 0.25**0.5], rtol=1e-9)


def test_nash_of_gradients_that_cancel_out_is_the_plain_sum() -> None:
    for gradients in (
        np.array([[1.0, 0.0], [-3.0, 0.0]]),
        np.array([[1.0, 0.0], [-1.0, 1.0], [0.0, -2.0]]),
    ):
        found = nash_mtl(gradients @ gradients.T)
        np.testing.assert_array_equal(found, np.ones(len(gradients)))


@pytest.mark.parametrize("method", [pcgrad, lambda g, _: cagrad(g, 0.5), lambda g, _: nash_mtl(g)])
def test_a_task_without_gradient_takes_no_part(method: object) -> None:
    gradients = np.array([[1.0, 0.5], [0.0, 0.0], [-1.0, 0.2]])
    gram = gradients @ gradients.T
    draw = functools.partial(np.random.default_rng, 0)
    found = coefficients(gram, method, draw())  # type: ignore[arg-type]
    pair = gram[np.ix_([0, 2], [0, 2])]
    wanted = method(pair, draw())  # type: ignore[operator]
    np.testing.assert_array_equal(found, [wanted[0], 1, wanted[1]])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_gradients_that_are_not_finite_are_passed_on_as_their_sum(bad: float) -> None:
    gram = np.array([[1.0, 0.5], [0.5, bad]])
    found = coefficients(gram, lambda g, _: nash_mtl(g), np.random.default_rng(0))
    np.testing.assert_array_equal(found, [1, 1])


def test_one_task_with_a_gradient_is_the_plain_sum() -> None:
    gram = np.array([[4.0, 0.0], [0.0, 0.0]])
    found = coefficients(gram, lambda g, _: nash_mtl(g), np.random.default_rng(0))
    np.testing.assert_array_equal(found, [1, 1])
