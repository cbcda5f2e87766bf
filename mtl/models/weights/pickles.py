"""Reads a pickle without running it.

A pickle is a program whose instructions may import and call anything. Here a small interpreter
follows the instructions (`pickletools` of the standard library decodes them) but has no instruction
that imports, looks up or calls what the file names: a name becomes a `Global`, a call becomes an
`Inert`. The few things a file of weights is made of (tensors, ordered dicts) are made by the
functions the caller hands in, and by nothing else.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from mmap import mmap
from typing import Any, BinaryIO, cast

PLAIN_KEYS = (str, bytes, int, float, type(None))
"""Keys of dicts that are kept."""


@dataclass(frozen=True)
class Global:
    """A name a pickle wanted to import."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(eq=False)
class Inert:
    """What a pickle wanted to make by a call. The call did not happen."""

    maker: Any
    """What it wanted to call; a `Global` in an honest file."""
    state: Any = None
    """What the object would have been given as its state."""


Makers = Mapping[Global, Callable[..., Any]]
"""What is really made when a pickle calls one of these names."""


def read_pickle(stream: BinaryIO | mmap, makers: Makers, persistent: Callable[[Any], Any]) -> Any:
    """The value of the next pickle in the stream, which is left behind its end.

    Args:
        stream: positioned at the start of a pickle.
        makers: what may be made of the pickle's calls; all others become `Inert`.
        persistent: value of a persistent id, which torch uses for the bytes of tensors.

    Raises:
        ValueError: the pickle is damaged, or uses a maker or an id in a way that makes no sense.
    """
    machine = _Machine(makers, persistent)
    try:
        for opcode, argument, _ in pickletools.genops(cast(BinaryIO, stream)):
            if opcode.name == "STOP":
                return machine.stack.pop()
            machine.step(opcode.name, argument)
    except (IndexError, KeyError, TypeError, AttributeError, ArithmeticError) as error:
        raise ValueError(f"its pickle makes no sense ({type(error).__name__}: {error})") from None
    except RecursionError:
        raise ValueError("its pickle is nested too deeply") from None
    raise ValueError("its pickle has no end")


def plain_items(pairs: Iterable[Any]) -> dict[Any, Any]:
    """A dict of the pairs whose keys are plain; to hash a deeply nested key would end the process.

    Raises:
        ValueError: an item is no pair.
    """
    return {key: value for key, value in pairs if isinstance(key, PLAIN_KEYS)}


class _Machine:
    """The stack, the marks on it, and the memo of the pickle virtual machine."""

    def __init__(self, makers: Makers, persistent: Callable[[Any], Any]) -> None:
        self.makers = makers
        self.persistent = persistent
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []
        self.memo: dict[int, Any] = {}

    def step(self, name: str, argument: Any) -> None:
        """Carry out one instruction."""
        push = self.stack.append
        match name:
            case "PROTO" | "FRAME":
                pass
            case "NONE":
                push(None)
            case "NEWTRUE":
                push(True)
            case "NEWFALSE":
                push(False)
            case "MARK":
                self.below.append(self.stack)
                self.stack = []
            case "POP_MARK":
                self._marked()
            case "POP":
                if self.stack:
                    self.stack.pop()
                else:
                    self._marked()
            case "DUP":
                push(self.stack[-1])
            case "GET" | "BINGET" | "LONG_BINGET":
                push(self.memo[argument])
            case "PUT" | "BINPUT" | "LONG_BINPUT":
                self.memo[argument] = self.stack[-1]
            case "MEMOIZE":
                self.memo[len(self.memo)] = self.stack[-1]
            case "PERSID":
                push(self.persistent(argument))
            case "BINPERSID":
                push(self.persistent(self.stack.pop()))
            case _ if name in _CONTAINERS:
                self._container(name)
            case _ if name in _OBJECTS:
                self._object(name, argument)
            case _ if name in _CONSTANTS:
                push(argument)
            case _:
                raise ValueError(f"its pickle has the instruction {name}, which torch never writes")

    def _marked(self) -> list[Any]:
        """What was pushed since the last mark, taken off with the mark."""
        marked, self.stack = self.stack, self.below.pop()
        return marked

    def _container(self, name: str) -> None:
        match name:
            case "EMPTY_TUPLE":
                self.stack.append(())
            case "EMPTY_LIST":
                self.stack.append([])
            case "EMPTY_DICT":
                self.stack.append({})
            case "EMPTY_SET":
                self.stack.append(Inert(Global("builtins", "set")))
            case "FROZENSET":
                self._marked()
                self.stack.append(Inert(Global("builtins", "frozenset")))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                count = int(name[-1])
                items = [self.stack.pop() for _ in range(count)]
                self.stack.append(tuple(reversed(items)))
            case "TUPLE":
                items = self._marked()
                self.stack.append(tuple(items))
            case "LIST":
                items = self._marked()
                self.stack.append(items)
            case "DICT":
                items = self._marked()
                self.stack.append({})
                self._set(items)
            case "APPEND":
                item = self.stack.pop()
                self._extend([item])
            case "APPENDS":
                self._extend(self._marked())
            case "ADDITEMS":
                self._marked()
            case "SETITEM":
                value, key = self.stack.pop(), self.stack.pop()
                self._set([key, value])
            case "SETITEMS":
                self._set(self._marked())

    def _extend(self, items: list[Any]) -> None:
        if isinstance(self.stack[-1], list):
            self.stack[-1].extend(items)

    def _set(self, items: list[Any]) -> None:
        if isinstance(self.stack[-1], dict):
            self.stack[-1].update(plain_items(zip(items[::2], items[1::2], strict=True)))

    def _object(self, name: str, argument: Any) -> None:
        match name:
            case "GLOBAL":
                self.stack.append(_global(argument))
            case "STACK_GLOBAL":
                attribute, module = self.stack.pop(), self.stack.pop()
                if not (isinstance(module, str) and isinstance(attribute, str)):
                    raise ValueError("its pickle names something by no text")
                self.stack.append(Global(module, attribute))
            case "EXT1" | "EXT2" | "EXT4":
                self.stack.append(Global("copyreg", f"extension {argument}"))
            case "INST":
                self.stack.append(self._make(_global(argument), tuple(self._marked())))
            case "OBJ":
                maker, *arguments = self._marked()
                self.stack.append(self._make(maker, tuple(arguments)))
            case "NEWOBJ_EX":
                self.stack.pop()  # arguments by name, which no maker has
                arguments, maker = self.stack.pop(), self.stack.pop()
                self.stack.append(self._make(maker, arguments))
            case "REDUCE" | "NEWOBJ":
                arguments, maker = self.stack.pop(), self.stack.pop()
                self.stack.append(self._make(maker, arguments))
            case "BUILD":
                state = self.stack.pop()
                if isinstance(self.stack[-1], Inert):
                    self.stack[-1].state = state

    def _make(self, maker: Any, arguments: Any) -> Any:
        if isinstance(maker, Global) and maker in self.makers and isinstance(arguments, tuple):
            return self.makers[maker](*arguments)
        return Inert(maker)


def _global(argument: str) -> Global:
    module, _, name = argument.partition(" ")
    return Global(module, name)


_CONTAINERS = {
    "EMPTY_TUPLE", "EMPTY_LIST", "EMPTY_DICT", "EMPTY_SET", "FROZENSET", "TUPLE1", "TUPLE2",
    "TUPLE3", "TUPLE", "LIST", "DICT", "APPEND", "APPENDS", "ADDITEMS", "SETITEM", "SETITEMS",
}  # fmt: skip
_OBJECTS = {
    "GLOBAL", "STACK_GLOBAL", "EXT1", "EXT2", "EXT4", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX",
    "REDUCE", "BUILD",
}  # fmt: skip
_CONSTANTS = {
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "STRING",
    "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8",
    "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8",
}  # fmt: skip
