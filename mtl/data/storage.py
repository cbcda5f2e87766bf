"""Reading and listing of local folders and of anything pyarrow or fsspec opens.

A place is a local path or a URI. Where pyarrow has a file system (s3://, gs://, hdfs://, abfs://)
it is used; other schemes go through fsspec. A query (`s3://bucket/data?endpoint_override=host`)
stays at the end when names are joined. A storage that is busy or away is asked again for a while.
All functions raise `OSError` where a place cannot be read, `AwayError` where the storage still does
not answer, and `DataError` where a scheme cannot be opened.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import NamedTuple, TypeVar
from urllib.parse import unquote, urlsplit

import pyarrow as pa
from pyarrow import fs

from mtl.errors import DataError
from mtl.hiccups import is_hiccup, patient

_Out = TypeVar("_Out")


class Entry(NamedTuple):
    """A file or folder in a listing; size and time are none where the store does not say."""

    name: str
    is_folder: bool
    size: int | None
    modified_ns: int | None


def absolute(place: str) -> str:
    """The place as any process of this machine can open it; `file://` becomes a path."""
    if not is_remote(place):
        return os.path.abspath(os.path.expanduser(_path(place)))
    address, mark, query = place.partition("?")
    return address.rstrip("/") + mark + query


def join(place: str, *names: str) -> str:
    """The place of a file or folder below another one."""
    address, mark, query = place.partition("?") if is_remote(place) else (place, "", "")
    return "/".join([address.rstrip("/"), *names]) + mark + query


def is_remote(place: str) -> bool:
    """Whether the place is not on this machine's disk."""
    return "://" in place and not place.startswith("file://")


def is_plain_name(name: str) -> bool:
    """Whether a name from a file stays inside the folder it is joined to."""
    return bool(name) and name not in (".", "..") and not set(name) & set("/\\\0")


@patient
def read_bytes(place: str) -> bytes:
    """The whole content of a file."""
    if not is_remote(place):
        with open(_path(place), "rb") as file:
            return file.read()
    system, path = _filesystem(place)
    with _remote_errors(place), system.open_input_stream(path) as stream:
        data: bytes = stream.read()
    return data


def list_names(place: str) -> list[str]:
    """Names of the files and folders in a folder, in no order; does not look at each."""
    if not is_remote(place):
        return _local_names(place)
    return [entry.name for entry in list_folder(place)]


@patient
def list_folder(place: str) -> list[Entry]:
    """Files and folders in a folder, sorted by name."""
    if not is_remote(place):
        with os.scandir(_path(place)) as found:
            entries = [_local_entry(item.name, _stat_of(item)) for item in found]
        return sorted(entries)
    system, path = _filesystem(place)
    with _remote_errors(place):
        infos = system.get_file_info(fs.FileSelector(path))
    return sorted(_remote_entry(info) for info in infos)


@patient
def stat(place: str) -> Entry | None:
    """What the store says about a file or folder, none if it does not exist."""
    if not is_remote(place):
        try:
            return _local_entry(os.path.basename(place), os.stat(_path(place)))
        except (FileNotFoundError, NotADirectoryError):
            return None
    system, path = _filesystem(place)
    with _remote_errors(place):
        info = system.get_file_info(path)
    return None if info.type == fs.FileType.NotFound else _remote_entry(info)


def each(read: Callable[[str], _Out], names: Sequence[str], remote: bool) -> Iterator[_Out]:
    """Apply a reader to many names, in order; over a network several at a time."""
    if not remote:
        yield from map(read, names)
        return
    with ThreadPoolExecutor(max_workers=16) as pool:
        yield from pool.map(read, names)


class _remote_errors:  # noqa: N801 - reads as a verb where it is used
    """Arrow's and fsspec's errors of any kind as `OSError`."""

    def __init__(self, place: str) -> None:
        self.place = place

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, (pa.ArrowException, ValueError, RuntimeError)) and not isinstance(
            error, OSError
        ):
            raise OSError(f"{self.place}: {' '.join(str(error).split())}") from error


@patient
def _local_names(place: str) -> list[str]:
    return os.listdir(_path(place))


def _stat_of(item: os.DirEntry[str]) -> os.stat_result:
    try:
        return item.stat()
    except FileNotFoundError:  # a link that leads nowhere is neither a file nor a folder
        return item.stat(follow_symlinks=False)


def _path(place: str) -> str:
    return unquote(urlsplit(place).path) if place.startswith("file://") else place


def _local_entry(name: str, info: os.stat_result) -> Entry:
    return Entry(name, (info.st_mode & 0o170000) == 0o040000, info.st_size, info.st_mtime_ns)


def _remote_entry(info: fs.FileInfo) -> Entry:
    is_folder = info.type == fs.FileType.Directory
    return Entry(info.base_name, is_folder, info.size, info.mtime_ns)


def _filesystem(place: str) -> tuple[fs.FileSystem, str]:
    """File system and path of a URI; one file system per bucket and process."""
    address, mark, query = place.partition("?")
    scheme, _, rest = address.partition("://")
    bucket, _, path = rest.partition("/")
    system, base = _open_bucket(f"{scheme}://{bucket}{mark}{query}")
    return system, f"{base.rstrip('/')}/{path}".rstrip("/") if path else base


@lru_cache(maxsize=64)
def _open_bucket(uri: str) -> tuple[fs.FileSystem, str]:
    try:
        opened: tuple[fs.FileSystem, str] = fs.FileSystem.from_uri(uri)
        return opened
    except (pa.ArrowException, ValueError):
        pass  # not one of arrow's schemes
    except OSError as error:
        if is_hiccup(error):
            raise
        raise DataError(f"{uri} cannot be opened: {' '.join(str(error).split())}") from None
    import fsspec

    try:
        system, path = fsspec.core.url_to_fs(uri)
    except (ImportError, ValueError) as error:
        raise DataError(
            f"{uri} cannot be opened: {' '.join(str(error).split())}; give a local path or a URI "
            "that pyarrow or an installed fsspec package opens."
        ) from None
    return fs.PyFileSystem(fs.FSSpecHandler(system)), path
