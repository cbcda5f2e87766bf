"""The last file of a checkpoint's folder: what each of the others must be, to the byte.

A checkpoint is whole when its manifest is there and every file has the size and the SHA-256 that
stand in it. Whatever a crash, a full disk or a bad cable did to the folder shows as a fault.
"""

from __future__ import annotations

import json
from pathlib import Path

from mtl.files import sha256_of, write_atomically
from mtl.hiccups import is_away

MANIFEST = "manifest.json"
FORMAT = 1


def write_manifest(folder: Path) -> None:
    """Write down the folder's files, in one step; from then on the folder is whole."""
    files = {
        file.name: {"bytes": file.stat().st_size, "sha256": sha256_of(file)}
        for file in sorted(folder.iterdir())
        if file.name != MANIFEST
    }
    text = json.dumps({"format": FORMAT, "files": files}, indent=1)
    write_atomically(folder / MANIFEST, text.encode("utf-8"))


def fault_of(folder: Path, needed: set[str]) -> str | None:
    """What is wrong with a folder, in a few words; none where it is whole.

    Sizes of all files are compared before any file is read.

    Args:
        folder: with its manifest.
        needed: files that the manifest must name.

    Raises:
        OSError: if the storage is away, which says nothing about the folder.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        if manifest["format"] != FORMAT:
            return f"its manifest has format {manifest['format']}, this version reads {FORMAT}"
        listed = {
            str(name): (int(entry["bytes"]), str(entry["sha256"]))
            for name, entry in manifest["files"].items()
        }
    except FileNotFoundError:
        return "it has no manifest, which is written last"
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if is_away(error):
            raise
        return f"its manifest cannot be read ({type(error).__name__})"
    if missing := sorted(needed - listed.keys()):
        return f"its manifest does not name {', '.join(missing)}"
    for name, (size, _) in listed.items():
        file = folder / name
        if Path(name).name != name or not file.is_file():
            return f"{name} is missing"
        if file.stat().st_size != size:
            return f"{name} has {file.stat().st_size} bytes instead of {size}"
    for name, (_, digest) in listed.items():
        try:
            changed = sha256_of(folder / name) != digest
        except OSError as error:
            if is_away(error):
                raise
            return f"{name} cannot be read ({error.strerror})"
        if changed:
            return f"{name} was changed after it was written"
    return None
