"""Built indices on disk, one Arrow IPC file each, under `MTL_CACHE` or `~/.cache/mtl`.

The key of a file is a hash of everything the index depends on, so a file is never out of date; one
that cannot be read is as good as absent. Writing is atomic, and a folder that cannot be written to
costs a rebuild and nothing else.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from mtl.data.frame_index import FrameIndex

_LOG = logging.getLogger(__name__)
_FORMAT = 2


def cache_folder() -> Path:
    """Where this project keeps what it can make again."""
    return Path(os.environ.get("MTL_CACHE") or Path.home() / ".cache" / "mtl")


def cache_key(parts: Sequence[Any]) -> str:
    """Hash of plain values: what the index was built from and how."""
    text = json.dumps([_FORMAT, *parts], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def load_index(key: str) -> FrameIndex | None:
    """The index kept under a key, its columns mapped from the file; none if there is none."""
    path = _path(key)
    try:
        with pa.memory_map(str(path)) as source:
            table = pa.ipc.open_file(source).read_all()
        about = json.loads(table.schema.metadata[b"index"])
        return FrameIndex(
            root=about["root"],
            split=about["split"],
            frames=table.replace_schema_metadata(None),
            sequence_names=tuple(about["sequence_names"]),
            offsets=np.array(about["offsets"], dtype=np.int64),
            skipped=about["skipped"],
            label_rule_counts=about["label_rule_counts"],
            warnings=tuple(about["warnings"]),
        )
    except FileNotFoundError:
        return None
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError) as error:
        _LOG.info("The kept index %s cannot be read (%s) and is built again.", path, error)
        return None


def store_index(key: str, index: FrameIndex) -> None:
    """Keep an index under a key."""
    about = {
        "root": index.root,
        "split": index.split,
        "sequence_names": index.sequence_names,
        "offsets": index.offsets.tolist(),
        "skipped": index.skipped,
        "label_rule_counts": index.label_rule_counts,
        "warnings": index.warnings,
    }
    path = _path(key)
    table = index.frames.replace_schema_metadata({"index": json.dumps(about)})
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, draft = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
        os.close(handle)
        try:
            with pa.OSFile(draft, "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
                writer.write_table(table)
            os.replace(draft, path)
        except BaseException:
            os.unlink(draft)
            raise
    except OSError as error:
        _LOG.warning("The index cannot be kept in %s (%s); set MTL_CACHE.", path.parent, error)


def _path(key: str) -> Path:
    return cache_folder() / "index" / f"{key}.arrow"
