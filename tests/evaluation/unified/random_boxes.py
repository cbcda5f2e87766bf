"""Random sets of true and found boxes that overlap often."""

from __future__ import annotations

import numpy as np

from mtl.evaluation.unified.boxes import FoundBoxes, TrueBoxes


def random_boxes(
    seed: int, images: int, classes: int, crowds: float = 0.15
) -> tuple[TrueBoxes, FoundBoxes]:
    rng = np.random.default_rng(seed)
    true, found = [], []
    for image in range(images):
        for _ in range(int(rng.integers(0, 5))):
            box = np.concatenate([rng.uniform(0, 60, 2), rng.uniform(8, 40, 2)])
            label = int(rng.integers(classes))
            true.append((image, label, rng.random() < crowds, *box))
            for _ in range(int(rng.integers(0, 4))):
                said = label if rng.random() < 0.8 else int(rng.integers(classes))
                found.append((image, said, rng.random(), *(box + rng.normal(0, 2.5, 4))))
        for _ in range(int(rng.integers(0, 3))):
            box = np.concatenate([rng.uniform(0, 60, 2), rng.uniform(8, 40, 2)])
            found.append((image, int(rng.integers(classes)), rng.random(), *box))
    return to_truth(true), to_found(found)


def to_truth(rows: list[tuple]) -> TrueBoxes:
    table = np.array(rows, dtype=np.float64).reshape(-1, 7)
    columns = table[:, :3].astype(np.int64)
    return TrueBoxes(table[:, 3:], columns[:, 1], columns[:, 0], columns[:, 2].astype(bool))


def to_found(rows: list[tuple]) -> FoundBoxes:
    table = np.array(rows, dtype=np.float64).reshape(-1, 7)
    columns = table[:, :2].astype(np.int64)
    return FoundBoxes(table[:, 3:], table[:, 2], columns[:, 1], columns[:, 0])
