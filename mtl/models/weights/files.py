"""Named tensors of any file weights are published in, without running anything it says."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from safetensors import SafetensorError, safe_open

from mtl.errors import CheckpointError
from mtl.models.weights.archive import read_archive
from mtl.models.weights.legacy import read_legacy
from mtl.models.weights.pickles import Inert
from mtl.models.weights.stored import Entry

WRAPPERS = ("net", "state_dict", "model", "model_state_dict")
"""Under which key of a checkpoint the weights may lie."""
MAX_SCRIPT_ATTRIBUTES = 50_000
MAX_SCRIPT_DEPTH = 50
"""More than any real TorchScript module has."""


MAX_REASON = 300
"""Characters of a message that may quote a hostile file."""


class WeightsFile(NamedTuple):
    """An open file of weights."""

    path: Path
    entries: dict[str, Entry]
    """Named tensors, readable while the file is open; a `module.` before every name is gone."""
    metadata: dict[str, str]
    """Of a .safetensors file."""


@contextlib.contextmanager
def open_weights(path: Path) -> Iterator[WeightsFile]:
    """Open a file of `torch.save` (old or new), a TorchScript archive or a .safetensors file.

    Raises:
        CheckpointError: it is none of these, damaged, cut off, or holds no named tensors.
    """
    try:
        with open(path, "rb") as file, contextlib.ExitStack() as stack:
            start = file.read(9)
            file.seek(0)
            metadata: dict[str, str] = {}
            if start[:2] == b"PK":
                entries = _named_tensors(read_archive(file))
            elif start[8:9] == b"{":
                entries, metadata = _read_safetensors(path, stack)
            elif start[:1] == b"\x80":
                entries = _named_tensors(read_legacy(file))
            else:
                raise ValueError("it is no file of torch.save, TorchScript or safetensors")
            if not entries:
                raise ValueError("it holds no named tensors")
            yield WeightsFile(path, _without_module(entries), metadata)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be opened: {error.strerror or error}.") from None
    except ValueError as error:
        reason = " ".join(str(error).split())[:MAX_REASON]
        raise CheckpointError(
            f"{path} cannot be read: {reason}; download it again or give another file."
        ) from None


def _read_safetensors(
    path: Path, stack: contextlib.ExitStack
) -> tuple[dict[str, Entry], dict[str, str]]:
    try:
        file = stack.enter_context(safe_open(path, framework="pt"))
        entries = {
            name: Entry(
                tuple(file.get_slice(name).get_shape()),
                lambda name=name: file.get_tensor(name),  # type: ignore[misc]
            )
            for name in file.keys()  # noqa: SIM118 - not a mapping
        }
        return entries, dict(file.metadata() or {})
    except SafetensorError as error:
        raise ValueError(f"it is a cut off or damaged .safetensors file ({error})") from None


def _named_tensors(value: Any) -> dict[str, Entry]:
    """The state dict in what a file holds: by itself, in a checkpoint, or spread over a module."""
    if isinstance(value, Inert):
        return _script_tensors(value)
    if not isinstance(value, dict):
        return {}
    for wrapper in WRAPPERS:
        inside = value.get(wrapper)
        if isinstance(inside, dict) and (found := _tensors(inside)):
            return found
    return _tensors(value)


def _tensors(table: dict[Any, Any]) -> dict[str, Entry]:
    return {
        name: entry
        for name, entry in table.items()
        if isinstance(name, str) and isinstance(entry, Entry)
    }


def _script_tensors(module: Inert) -> dict[str, Entry]:
    """Tensors among the attributes of a TorchScript module and of the modules in it."""
    entries: dict[str, Entry] = {}
    modules, visited = [("", module)], 0
    while modules:
        prefix, current = modules.pop()
        attributes = current.state if isinstance(current.state, dict) else {}
        for name, attribute in attributes.items():
            visited += 1
            if visited > MAX_SCRIPT_ATTRIBUTES or prefix.count(".") > MAX_SCRIPT_DEPTH:
                raise ValueError("its modules contain each other")
            if isinstance(attribute, Entry):
                entries[f"{prefix}{name}"] = attribute
            elif isinstance(attribute, Inert):
                modules.append((f"{prefix}{name}.", attribute))
    return entries


def _without_module(entries: dict[str, Entry]) -> dict[str, Entry]:
    """Data parallelism puts `module.` before every name."""
    if all(name.startswith("module.") for name in entries):
        return {name.removeprefix("module."): entry for name, entry in entries.items()}
    return entries
