from __future__ import annotations

import numpy as np

from cluster.ingest import to_tensors


def test_a_step_that_writes_to_its_batch_changes_nothing_in_the_object_store() -> None:
    stored = np.arange(6.0)
    stored.flags.writeable = False  # as what Ray gets from its store
    batch = to_tensors({"boxes": stored})
    batch["boxes"].add_(1)
    assert stored.tolist() == [0, 1, 2, 3, 4, 5]


def test_arrays_of_this_process_are_not_copied() -> None:
    made = np.zeros(3)
    to_tensors({"boxes": made})["boxes"].add_(1)
    assert made.tolist() == [1, 1, 1]
