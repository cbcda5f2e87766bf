"""A head node in processes, on ports and in a folder of its own, beside the session's cluster."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import requests

RAY = str(Path(sys.executable).parent / "ray")


class Head(NamedTuple):
    """A head that answers."""

    address: str
    """For RAY_ADDRESS."""
    dashboard: str
    process: subprocess.Popen[bytes]
    """Parent of all its processes."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def without_ray(environment: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if not name.startswith("RAY_")}


@contextmanager
def started_head(store: int = 200, **environment: str) -> Iterator[Head]:
    """A head with four CPUs, a store of so many megabytes and these variables, ended by its id."""
    with tempfile.TemporaryDirectory(prefix="mtl-", ignore_cleanup_errors=True) as folder:
        port, dashboard = free_port(), free_port()
        head = subprocess.Popen(
            [
                RAY, "start", "--head", "--block", "--node-ip-address=127.0.0.1", f"--port={port}",
                "--dashboard-host=127.0.0.1", f"--dashboard-port={dashboard}", "--num-cpus=4",
                f"--dashboard-agent-listen-port={free_port()}", f"--temp-dir={folder}/r",
                f"--object-store-memory={store * 10**6}",
            ],
            env={**without_ray(dict(os.environ)), **environment},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        try:
            address = f"http://127.0.0.1:{dashboard}"
            wait_for_dashboard(address, head)
            yield Head(f"127.0.0.1:{port}", address, head)
        finally:
            head.send_signal(signal.SIGTERM)  # ends all that it started
            head.wait(timeout=60)


def wait_for_dashboard(address: str, head: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 180
    while True:
        assert head.poll() is None, "the head ended"
        assert time.monotonic() < deadline
        try:
            requests.get(f"{address}/api/version", timeout=5)
            return
        except requests.ConnectionError:
            time.sleep(0.5)
