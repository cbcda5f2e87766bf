"""Processes of a cluster that tests find and kill."""

from __future__ import annotations

import psutil


def workers_of(address: str, title: str) -> list[psutil.Process]:
    """Processes with this in their title in the cluster of this address that was started here.

    Another cluster's are not touched.
    """
    below = psutil.Process().children(recursive=True)
    raylets = [one for one in below if _is_called(one, "/raylet ", f"--gcs-address={address}")]
    return [x for one in raylets for x in one.children() if _is_called(x, title)]


def _is_called(process: psutil.Process, *words: str) -> bool:
    try:
        called = " ".join(process.cmdline())
    except psutil.NoSuchProcess:  # it ended meanwhile
        return False
    return all(word in called for word in words)
