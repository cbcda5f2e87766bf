"""Directions that balance tasks by their gradients: PCGrad, CAGrad and Nash-MTL.

All three are combinations sum_i a_i g_i of the tasks' gradients, and a depends on the gradients
only through their Gram matrix G_ij = g_i . g_j. So everything here is K x K arithmetic in float64:
Gram matrix in, coefficients out. Coefficients of 1 are the plain sum.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

GramMethod = Callable[[np.ndarray, np.random.Generator], np.ndarray]
"""From G (K, K), float64 with a positive diagonal, and a step's own draws to a (K,)."""

MAX_ITERATIONS = 300
GAP = 1e-10
"""CAGrad's search over the simplex ends this close to the optimum, over the largest slope."""
NASH_RESIDUAL = 1e-9
NASH_LIMIT = 1e4
"""Nash-MTL counts gradients as degenerate where |a_i g_i| would have to be longer than this."""


def coefficients(gram: np.ndarray, method: GramMethod, rng: np.random.Generator) -> np.ndarray:
    """Coefficients (K,) by a method; tasks without a gradient take no part and get 1.

    Gradients that are not finite get 1 as well, so that whoever checks the sum sees them.
    """
    result = np.ones(len(gram))
    alive = np.flatnonzero(np.diag(gram) > 0)
    if np.isfinite(gram).all() and len(alive) > 1:
        result[alive] = method(gram[np.ix_(alive, alive)], rng)
    return result


def pcgrad(gram: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Projecting conflicting gradients (Yu et al., NeurIPS 2020, algorithm 1).

    Each gradient loses, one after the other in random order, its component against every gradient
    it conflicts with; the results are added up.
    """
    count = len(gram)
    projected = np.eye(count)  # row i: the projected g_i as a combination of all gradients
    for i in range(count):
        for j in rng.permutation(count):
            overlap = projected[i] @ gram[:, j]
            if j != i and overlap < 0:
                projected[i, j] -= overlap / gram[j, j]
    return np.asarray(projected.sum(axis=0))


def cagrad(gram: np.ndarray, c: float) -> np.ndarray:
    """Conflict-averse gradient descent (Liu et al., NeurIPS 2021, equation 3), times K.

    d = g_0 + c |g_0| g_w / |g_w|, g_0 the mean gradient, w minimising g_w . g_0 + c |g_0| |g_w|
    over the simplex, g_w = sum_i w_i g_i. Times K, so that c = 0 is the plain sum and a learning
    rate means the same as without CAGrad.
    """
    count = len(gram)
    even = np.full(count, 1 / count)
    length = math.sqrt(max(even @ gram @ even, 0.0))
    if c == 0 or length <= 1e-12 * math.sqrt(gram.diagonal().max()):
        return np.ones(count)
    scaled = gram / length**2
    w = _least(scaled, scaled @ even, c)
    norm = math.sqrt(max(w @ scaled @ w, 0.0))
    if norm < 1e-8:  # the gradients can cancel out: no direction improves all tasks
        return np.ones(count)
    return np.asarray(1 + count * c * w / norm)


def nash_mtl(gram: np.ndarray) -> np.ndarray:
    """Nash bargaining (Navon et al., ICML 2022, claim 3.2): the a > 0 with G a = 1 / a.

    With b_i = a_i |g_i| and the cosines C this is C b = 1 / b, the one stationary point of
    b.C.b / 2 - sum_i log b_i. That function is convex and self-concordant, so that damped Newton
    steps reach it from anywhere. It has no minimum where gradients cancel out (no direction
    improves all tasks, a grows without limit); then all coefficients are 1.
    """
    norms = np.sqrt(gram.diagonal())
    cosines = gram / np.outer(norms, norms)
    b = np.full(len(gram), 1 / math.sqrt(len(gram)))
    for _ in range(MAX_ITERATIONS):
        slope = cosines @ b - 1 / b
        if np.abs(slope * b).max() < NASH_RESIDUAL:
            return np.asarray(b / norms)
        step = np.linalg.solve(cosines + np.diag(b**-2), slope)
        decrement = math.sqrt(max(slope @ step, 0.0))
        b = b - step / (1 + decrement) if decrement > 0.25 else b - step
        if b.max() > NASH_LIMIT:
            break
    return np.ones(len(gram))


def _least(gram: np.ndarray, toward: np.ndarray, c: float) -> np.ndarray:
    """The w on the simplex with the least w . toward + c sqrt(w G w).

    Projected gradients with Barzilai and Borwein's step size and an exact line search. All of it
    works on slopes, because values near the optimum differ in their last digits only. The function
    is convex, so that slope . w - min(slope) bounds the distance to the optimum. Under the root a
    tiny number is added, which makes it smooth where gradients cancel out.
    """

    def slope(w: np.ndarray) -> np.ndarray:
        pull = gram @ w
        return np.asarray(toward + c * pull / math.sqrt(max(w @ pull, 0.0) + 1e-18))

    w = np.full(len(gram), 1 / len(gram))
    down, size = slope(w), 1.0
    for _ in range(MAX_ITERATIONS):
        if down @ w - down.min() <= GAP * np.abs(down).max():
            break
        way = _onto_simplex(w - size * down) - w
        moved = _downhill(slope, w, way) * way
        turned = slope(w + moved) - down
        if not moved.any():  # as near as the digits allow
            break
        w, down = w + moved, down + turned
        curvature = float(moved @ turned)
        size = float(moved @ moved) / curvature if curvature > 0 else 2 * size
    return w


def _downhill(
    slope: Callable[[np.ndarray], np.ndarray], start: np.ndarray, way: np.ndarray
) -> float:
    """How much of the way, at most all of it, a convex function falls."""
    if slope(start + way) @ way <= 0:
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if slope(start + middle * way) @ way <= 0 else (low, middle)
    return low


def _onto_simplex(point: np.ndarray) -> np.ndarray:
    """The nearest point whose coordinates are at least 0 and add up to 1."""
    falling = np.sort(point)[::-1]
    excess = (np.cumsum(falling) - 1) / np.arange(1, len(point) + 1)
    shift = excess[np.flatnonzero(falling > excess)[-1]]
    return np.asarray(np.maximum(point - shift, 0.0))
