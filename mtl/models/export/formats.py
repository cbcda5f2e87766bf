"""The file formats of exported programs: how each is written, and read back to be run."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import torch
from torch.export import ExportedProgram

from mtl.errors import ExportError
from mtl.models.export.program import Program, Run

OPSET = 20
"""Version of the ONNX operators."""


class Format(Protocol):
    """A way to write a program to a file."""

    suffix: str
    """Of its files."""

    def require(self) -> None:
        """Raise ExportError if a package it needs is not installed."""

    def write(self, graph: ExportedProgram, program: Program, path: Path) -> None:
        """Write the graph of `program`."""

    def load(self, path: Path) -> Run:
        """Read a program from its file alone."""


class TorchExport:
    """An archive of `torch.export`."""

    suffix = ".pt2"

    def require(self) -> None:
        """Needs nothing besides torch."""

    def write(self, graph: ExportedProgram, program: Program, path: Path) -> None:
        """See `Format.write`."""
        graph.example_inputs = None  # they would be saved too, and a memory is large
        torch.export.save(graph, path)

    def load(self, path: Path) -> Run:
        """See `Format.load`."""
        module = torch.export.load(path).module()
        return lambda inputs: list(module(*inputs))


class TorchScript:
    """An archive of `torch.jit`, which C++ and mobile programs load."""

    suffix = ".pt"

    def require(self) -> None:
        """Needs nothing besides torch."""

    def write(self, graph: ExportedProgram, program: Program, path: Path) -> None:
        """See `Format.write`."""
        # Tracing the recorded graph, whose sizes are plain numbers, cannot mistake one for data.
        with _quiet():
            device = next(iter(graph.state_dict.values())).device
            inputs = tuple(tensor.to(device) for tensor in program.random_inputs())
            torch.jit.trace(graph.module(), inputs).save(str(path))

    def load(self, path: Path) -> Run:
        """See `Format.load`."""
        with _quiet():
            module = torch.jit.load(path)
        return lambda inputs: list(module(*inputs))


class Onnx:
    """An ONNX file."""

    suffix = ".onnx"

    def require(self) -> None:
        """See `Format.require`."""
        for package in ("onnx", "onnxscript", "onnxruntime"):
            try:
                importlib.import_module(package)
            except ImportError:
                raise ExportError(
                    f"ONNX export needs the package {package}; "
                    "run pip install maritime-mtl[export] or leave onnx out of --format."
                ) from None

    def write(self, graph: ExportedProgram, program: Program, path: Path) -> None:
        """See `Format.write`."""
        import onnx

        with _quiet():
            torch.onnx.export(
                graph,
                (),
                path,
                dynamo=True,
                verbose=False,
                opset_version=OPSET,
                external_data=False,
                input_names=[port.name for port in program.inputs],
                output_names=[port.name for port in program.outputs],
                custom_translation_table={torch.ops.aten.sort.stable: _stable_sort},
            )
        onnx.checker.check_model(path, full_check=True)

    def load(self, path: Path) -> Run:
        """See `Format.load`."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        names = [port.name for port in session.get_inputs()]

        def run(inputs: Any) -> list[torch.Tensor]:
            given = {n: x.cpu().numpy() for n, x in zip(names, inputs, strict=True)}
            return [torch.from_numpy(x) for x in session.run(None, given)]

        return run


FORMATS: dict[str, Format] = {
    "torchscript": TorchScript(),
    "onnx": Onnx(),
    "torch_export": TorchExport(),
}
"""By the names that `mtl export --format` knows."""


def _stable_sort(values: Any, stable: bool = True, dim: int = -1, descending: bool = False) -> Any:
    """`aten.sort.stable` for ONNX, whose TopK puts the earlier of equal values first."""
    from onnxscript import opset20

    count: Any = opset20.Constant(value_ints=[values.shape[dim]])
    return opset20.TopK(values, count, axis=dim, largest=int(descending), sorted=1)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without torch's warnings that TorchScript grows old and that traces may mislead.

    What was written is compared with the model afterwards, which says more.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
