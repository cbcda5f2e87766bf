from __future__ import annotations

from pathlib import Path

from mtl.files import write_atomically


def test_a_file_is_replaced_whole_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.txt"
    write_atomically(path, b"a long first text")
    write_atomically(path, b"second")
    assert path.read_bytes() == b"second"
    assert [f.name for f in path.parent.iterdir()] == ["file.txt"]
