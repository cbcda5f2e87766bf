"""Where actors live that outlast a run."""

from __future__ import annotations

import pyarrow
import ray.data


def keep_lasting_actors_here() -> None:
    """Start those of Ray Data on this node.

    They start where Ray Data is first used and stay as long as the cluster. In a training worker
    that would be on its node, which then never counts as idle, so an autoscaler keeps it for ever.
    Takes no CPU of the cluster.
    """
    ray.data.DataContext.get_current().enable_progress_bars = False
    blocks = ray.data.from_blocks([pyarrow.table({"number": [0]})])
    for _ in blocks.iter_batches(batch_size=None):
        pass
