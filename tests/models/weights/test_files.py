"""Reading files of weights: every format, and nothing that could run or overflow."""

from __future__ import annotations

import io
import os
import pickle
import struct
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from mtl.errors import CheckpointError
from mtl.models.weights.files import open_weights

TENSORS = {
    "float": torch.arange(6, dtype=torch.float32).view(2, 3),
    "transposed": torch.arange(6, dtype=torch.float64).view(2, 3).t(),
    "half": torch.tensor([1.5, -2.0], dtype=torch.float16),
    "bfloat": torch.tensor([[3.0]], dtype=torch.bfloat16),
    "count": torch.tensor(7),
    "empty": torch.zeros(0, 4),
    "flags": torch.tensor([True, False]),
}


def read(path: Path) -> dict[str, Tensor]:
    with open_weights(path) as file:
        return {name: entry.read() for name, entry in file.entries.items()}


def assert_same(found: dict[str, Tensor], wanted: dict[str, Tensor]) -> None:
    assert found.keys() == wanted.keys()
    for name, tensor in wanted.items():
        assert found[name].dtype == tensor.dtype, name
        assert torch.equal(found[name], tensor), name


def sentence(path: Path) -> str:
    """The error of reading everything in a file: one sentence that names it."""
    with pytest.raises(CheckpointError) as caught:
        read(path)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    assert len(message) < 600
    return message


SAVERS: dict[str, Callable[[Any, Path], None]] = {
    "zip": torch.save,
    "legacy": lambda value, path: torch.save(value, path, _use_new_zipfile_serialization=False),
}


@pytest.mark.parametrize("save", SAVERS.values(), ids=SAVERS)
@pytest.mark.parametrize(
    "wrap",
    [
        lambda table: table,
        lambda table: {"epoch": 3, "net": OrderedDict(table), "optimizer": {"state": {}}},
        lambda table: {"state_dict": {f"module.{name}": t for name, t in table.items()}},
        lambda table: {"model": table, "args": ["--lr", 1e-4, None, {"x": (1, 2)}]},
        lambda table: {"model_state_dict": {n: nn.Parameter(t, False) for n, t in table.items()}},
    ],
    ids=["flat", "net", "state_dict", "model", "model_state_dict"],
)
def test_files_of_torch_save_are_read(
    tmp_path: Path, save: Callable[[Any, Path], None], wrap: Callable[[Any], Any]
) -> None:
    save(wrap(TENSORS), tmp_path / "file.pth")
    assert_same(read(tmp_path / "file.pth"), TENSORS)


def test_a_safetensors_file_is_read_with_its_metadata(tmp_path: Path) -> None:
    wanted = {name: tensor.contiguous() for name, tensor in TENSORS.items()}
    save_file(wanted, tmp_path / "file.safetensors", metadata={"who": "me"})
    assert_same(read(tmp_path / "file.safetensors"), wanted)
    with open_weights(tmp_path / "file.safetensors") as file:
        assert file.metadata == {"who": "me"}


class Inner(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.proj = nn.Parameter(torch.arange(6.0).view(2, 3).half())
        self.register_buffer("width", torch.tensor(3))
        self.sides = [1, 2]
        self.layers = nn.Sequential(nn.Linear(3, 2), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x) @ self.proj.float()


class Outer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.visual = Inner()
        self.bias = nn.Parameter(torch.ones(3))

    def forward(self, x: Tensor) -> Tensor:
        return self.visual(x) + self.bias


def save_script(module: nn.Module, path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(module), path)


def test_a_torchscript_archive_gives_the_modules_state_dict(tmp_path: Path) -> None:
    module = Outer()
    save_script(module, tmp_path / "model.pt")
    assert_same(read(tmp_path / "model.pt"), dict(module.state_dict()))


def test_the_published_checkpoint_layouts_are_read(reference_root: Path) -> None:
    for family in ("hiptrack", "simtrack"):
        found = read(reference_root / family / "checkpoint_like.pth.tar")
        assert len(found) >= 9
        assert all(name.split(".")[0] in NAMES for name in found)
        tracked = [t for name, t in found.items() if name.endswith("num_batches_tracked")]
        assert [t.dtype for t in tracked] == [torch.int64] * len(tracked)


NAMES = ("backbone", "box_head", "HIP", "key_proj", "key_comp", "searchRegionFusion", "bottleneck")


# --- nothing runs -------------------------------------------------------------------------------


class Calls:
    """Pickles as a call of `function`."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.reduced = (function, arguments)

    def __reduce__(self) -> Any:
        return self.reduced


def touching(path: Path) -> list[Any]:
    """Objects whose loading leaves a file at `path`, each in a way of its own."""
    shell = Calls(os.system, f"touch {path}")
    code = Calls(exec, f"open({str(path)!r}, 'w').close()")
    return [
        shell,
        code,
        Calls(eval, f"open({str(path)!r}, 'w')"),
        Calls(getattr, Calls(__import__, "os"), "system"),
        Calls(OrderedDict, [["weight", shell]]),
        {"state": [shell, (code, {"deep": code})]},
    ]


def instructions(path: Path) -> dict[str, bytes]:
    """Pickles that touch `path` through instructions no Pickler writes for such an object."""
    command = f"touch {path}".encode()
    text = b"X" + struct.pack("<I", len(command)) + command
    swap = b"X\x0c\x00\x00\x00__setstate__cos\nsystem\n"
    return {
        "obj": b"(cos\nsystem\n" + text + b"o.",
        "inst": b"(V" + command + b"\nios\nsystem\n.",
        "build": b"\x80\x02ctypes\nSimpleNamespace\n)\x81}" + swap + b"sb" + text + b"b.",
        "stack_global": b"\x80\x04\x8c\x02os\x8c\x06system\x93" + text + b"\x85R.",
    }


def archive(path: Path, pickled: bytes, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", pickled)
        for name, content in members.items():
            file.writestr(f"archive/data/{name}", content)
    return path


@pytest.mark.parametrize("save", SAVERS.values(), ids=SAVERS)
@pytest.mark.parametrize("number", range(6))
def test_a_hostile_pickle_does_not_run_and_its_weights_are_read(
    tmp_path: Path, save: Callable[[Any, Path], None], number: int
) -> None:
    bait = tmp_path / "ran"
    hostile = touching(bait)[number]
    save({"settings": hostile, "net": {"w": torch.ones(2), "x": hostile}}, tmp_path / "x.pth")
    assert_same(read(tmp_path / "x.pth"), {"w": torch.ones(2)})
    assert not bait.exists()


def test_the_hostile_pickles_do_run_where_pickle_reads_them(tmp_path: Path) -> None:
    for number in (0, 1, 2, 4, 5):
        bait = tmp_path / f"ran{number}"
        pickle.loads(pickle.dumps(touching(bait)[number]))
        assert bait.exists()


@pytest.mark.parametrize("name", ["obj", "inst", "build", "stack_global"])
def test_code_behind_other_instructions_does_not_run(tmp_path: Path, name: str) -> None:
    bait = tmp_path / "ran"
    pickled = instructions(bait)[name]
    sentence(archive(tmp_path / "x.pth", pickled))
    assert not bait.exists()
    pickle.loads(pickled)
    assert bait.exists()


def test_code_in_a_persistent_id_does_not_run(tmp_path: Path) -> None:
    bait = tmp_path / "ran"

    class Pickler(pickle.Pickler):
        def persistent_id(self, value: Any) -> Any:
            if isinstance(value, Tensor):
                return ("storage", Calls(os.system, f"touch {bait}"), "0", "cpu", 1)
            return None

    buffer = io.BytesIO()
    Pickler(buffer, 2).dump({"net": {"w": torch.ones(1)}})
    message = sentence(archive(tmp_path / "x.pth", buffer.getvalue(), **{"0": b"1234"}))
    assert "unknown kind" in message
    assert not bait.exists()


# --- damaged and absurd files -------------------------------------------------------------------


@pytest.mark.parametrize("save", SAVERS.values(), ids=SAVERS)
@pytest.mark.parametrize("share", [0.02, 0.2, 0.5, 0.9, 0.999])
def test_a_cut_off_file_is_refused(
    tmp_path: Path, save: Callable[[Any, Path], None], share: float
) -> None:
    path = tmp_path / "x.pth"
    save({"net": {"a": torch.randn(2000), "b": torch.randn(3000)}}, path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    sentence(path)


def test_a_cut_off_safetensors_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_file({"a": torch.randn(1000)}, path)
    path.write_bytes(path.read_bytes()[:-100])
    assert "cut off" in sentence(path)


def test_a_flipped_bit_in_an_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    torch.save({"a": torch.zeros(1000)}, path)
    content = bytearray(path.read_bytes())
    place = content.index(bytes(500))
    content[place + 100] ^= 1
    path.write_bytes(content)
    assert "damaged" in sentence(path)


@pytest.mark.parametrize("form", ["zip", "legacy", "safetensors"])
def test_a_file_with_random_damage_is_read_or_refused(tmp_path: Path, form: str) -> None:
    path = tmp_path / "x"
    table = {"a": torch.randn(5, 7), "b": torch.ones(3).half(), "n": torch.tensor(3)}
    if form == "safetensors":
        save_file(table, path)
    else:
        SAVERS[form]({"net": OrderedDict(table), "stats": [1, {"x": 2.5}]}, path)
    content, random = path.read_bytes(), Random(0)
    refusals = 0
    for _ in range(500):
        damaged = bytearray(content)
        for _ in range(random.choice((1, 2, 5, 20))):
            damaged[random.randrange(len(damaged))] = random.randrange(256)
        path.write_bytes(damaged)
        try:
            read(path)
        except CheckpointError:
            refusals += 1
    assert 100 < refusals < 500


def test_a_length_beyond_the_file_makes_no_room_for_it(tmp_path: Path) -> None:
    (tmp_path / "x.pth").write_bytes(b"\x80\x05\x96" + struct.pack("<Q", 2**62))
    sentence(tmp_path / "x.pth")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"<!DOCTYPE html><html></html>",
        b"version https://git-lfs.github.com/spec/v1\n",
        b"PK\x03\x04 and so on",
        b"\x80",
        pickle.dumps({"net": {}}),
        pickle.dumps([1, 2, 3]),
        b"\x80\x02.",
        b"\x80\x02t.",
        b"\x80\x02h\x07.",
        b"\xff\xff\xff\xff\xff\xff\xff\x7f{",
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.pth").write_bytes(content)
    sentence(tmp_path / "x.pth")


def test_missing_files_and_folders_are_refused(tmp_path: Path) -> None:
    sentence(tmp_path / "absent.pth")
    sentence(tmp_path)


@pytest.mark.parametrize("value", [{}, [torch.ones(2)], {"net": {"a": 1}}, 7, "text"])
def test_a_file_without_named_tensors_is_refused(tmp_path: Path, value: Any) -> None:
    torch.save(value, tmp_path / "x.pth")
    assert "no named tensors" in sentence(tmp_path / "x.pth")


def crafted(offset: Any, size: Any, stride: Any) -> bytes:
    """A pickle of one tensor over four floats with these numbers."""

    here = object()

    class Pickler(pickle.Pickler):
        def persistent_id(self, value: Any) -> Any:
            return ("storage", torch.FloatStorage, "0", "cpu", 4) if value is here else None

    buffer = io.BytesIO()
    rebuild = torch._utils._rebuild_tensor_v2
    parts = Calls(rebuild, here, offset, size, stride, False, OrderedDict())
    Pickler(buffer, 2).dump({"w": parts})
    return buffer.getvalue()


def test_crafted_is_read_where_it_makes_sense(tmp_path: Path) -> None:
    numbers = struct.pack("<4f", 1, 2, 3, 4)
    path = archive(tmp_path / "x.pth", crafted(1, (3,), (1,)), **{"0": numbers})
    assert_same(read(path), {"w": torch.tensor([2.0, 3.0, 4.0])})


@pytest.mark.parametrize(
    ("offset", "size", "stride"),
    [
        (2, (3,), (1,)),
        (0, (2, 3), (3, 1)),
        (0, (4,), (2,)),
        (0, (2**40,), (0,)),
        (0, (2**62, 2**62), (0, 0)),
        (-1, (2,), (1,)),
        (0, (2,), (-1,)),
        (0, (2, 2), (1,)),
        (0, (1.5,), (1,)),
        (0, (1,) * 99, (1,) * 99),
        (0, 4, 1),
        ("0", (4,), (1,)),
        (2**70, (1,), (1,)),
    ],
)
def test_a_tensor_beyond_its_numbers_is_refused(
    tmp_path: Path, offset: Any, size: Any, stride: Any
) -> None:
    pickled = crafted(offset, size, stride)
    sentence(archive(tmp_path / "x.pth", pickled, **{"0": bytes(16)}))


def test_a_tensor_whose_numbers_are_missing_is_refused(tmp_path: Path) -> None:
    assert "missing" in sentence(archive(tmp_path / "x.pth", crafted(0, (4,), (1,))))


def test_a_compressed_member_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("archive/data.pkl", crafted(0, (4,), (1,)))
        file.writestr("archive/data/0", bytes(16))
    assert "compressed" in sentence(path)


def test_a_legacy_file_that_claims_more_numbers_than_it_has_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    torch.save({"w": torch.zeros(5)}, path, _use_new_zipfile_serialization=False)
    content = path.read_bytes()
    count = struct.pack("<q", 5)
    assert content.count(count) == 1
    path.write_bytes(content.replace(count, struct.pack("<q", 2**40)))
    assert "cut off or damaged" in sentence(path)


def test_a_module_that_contains_itself_is_refused(tmp_path: Path) -> None:
    pickled = b"\x80\x02c__torch__\nM\n)\x81q\x00}X\x01\x00\x00\x00mh\x00sb."
    assert "contain each other" in sentence(archive(tmp_path / "x.pth", pickled))


def test_a_deeply_nested_key_does_not_end_the_process(tmp_path: Path) -> None:
    pickled = b"\x80\x02})" + b"\x85" * 300_000 + b"Ns."
    assert "no named tensors" in sentence(archive(tmp_path / "x.pth", pickled))


def test_a_big_endian_file_is_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "x.pth", crafted(0, (4,), (1,)), **{"0": bytes(16)})
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("archive/byteorder", "big")
    assert "byte order" in sentence(path)
