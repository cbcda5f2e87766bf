"""An object store with the protocol of S3, behind a door that can be shut."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import pyarrow.fs
import requests

from tests.cluster.heads import free_port

BUCKET = "mtl"


class Door:
    """Passes connections of a port of its own on to another, or cuts them all off."""

    def __init__(self, behind: int) -> None:
        self._behind = behind
        self._shut = threading.Event()
        self._open: set[socket.socket] = set()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self.turned_away = 0
        threading.Thread(target=self._accept, daemon=True).start()

    @contextmanager
    def shut(self) -> Iterator[None]:
        """Nobody comes through, and who was inside is cut off."""
        self._shut.set()
        for one in list(self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        yield
        self._shut.clear()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:  # closed
                return
            if self._shut.is_set():
                self.turned_away += 1
                client.close()
                continue
            store = socket.create_connection(("127.0.0.1", self._behind))
            self._open |= {client, store}
            for pair in ((client, store), (store, client)):
                threading.Thread(target=self._pass_on, args=pair, daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(data)
        for one in (source, target):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self._open -= {source, target}

    def close(self) -> None:
        self._server.close()


class ObjectStore(NamedTuple):
    door: Door
    inside: pyarrow.fs.FileSystem
    """Not through the door."""

    def uri(self, path: str) -> str:
        """Of a place in the bucket, through the door."""
        return _uri(path, self.door.port)

    def upload(self, folder: Path, path: str) -> str:
        """Copy a local folder into the bucket; returns its URI."""
        pyarrow.fs.copy_files(
            str(folder), f"{BUCKET}/{path}", pyarrow.fs.LocalFileSystem(), self.inside
        )
        return self.uri(path)

    def read(self, path: str) -> bytes:
        with self.inside.open_input_stream(f"{BUCKET}/{path}") as stream:
            return bytes(stream.read())

    def has(self, path: str) -> bool:
        return bool(self.inside.get_file_info(f"{BUCKET}/{path}").type == pyarrow.fs.FileType.File)

    def wait_for(self, path: str, process: subprocess.Popen[str]) -> None:
        deadline = time.monotonic() + 300
        while not self.has(path):
            assert process.poll() is None, "the command ended"
            assert time.monotonic() < deadline
            time.sleep(0.2)


def _uri(path: str, port: int) -> str:
    where = f"endpoint_override=127.0.0.1:{port}&scheme=http&region=us-east-1"
    return f"s3://key:secret@{BUCKET}/{path}?{where}"


@contextmanager
def started_store() -> Iterator[ObjectStore]:
    """A store with an empty bucket."""
    port = free_port()
    server = str(Path(sys.executable).parent / "moto_server")
    process = subprocess.Popen(
        [server, "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    door = Door(port)
    try:
        deadline = time.monotonic() + 60
        while True:
            assert process.poll() is None, "the store ended"
            with suppress(requests.ConnectionError):
                requests.put(f"http://127.0.0.1:{port}/{BUCKET}", timeout=10).raise_for_status()
                break
            assert time.monotonic() < deadline
            time.sleep(0.2)
        yield ObjectStore(door, pyarrow.fs.FileSystem.from_uri(_uri("", port))[0])
    finally:
        door.close()
        process.terminate()
        process.wait(timeout=30)
