"""Objectives: a metric's name, or arithmetic over names such as `0.7*ao + 0.3*accuracy`."""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

from mtl.errors import ConfigError

_NAME = re.compile(r"[A-Za-z_]\w*(?:/[A-Za-z_]\w*)?")
_OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
_FUNCTIONS: dict[str, Callable[..., Any]] = {"min": min, "max": max, "log": math.log}


class Expression:
    """Arithmetic over metrics: numbers, names, + - * / **, min(), max() and log()."""

    def __init__(self, text: str, known: tuple[str, ...]) -> None:
        """Read an expression.

        Args:
            text: a slash between two names is part of a name if that is known, else a division.
            known: names of metrics.

        Raises:
            ConfigError: it is no arithmetic over known names.
        """
        self.text = text
        self._names: dict[str, str] = {}
        found = [""]

        def stand_in(match: re.Match[str]) -> str:
            word = match.group()
            if word in known:
                key = f"metric_{len(self._names)}"
                self._names[key] = word
                return key
            left, slash, right = word.partition("/")
            if slash:
                return f"{_NAME.sub(stand_in, left)}/{_NAME.sub(stand_in, right)}"
            if word not in _FUNCTIONS:
                found[0] = found[0] or word
            return word

        code = _NAME.sub(stand_in, text)
        if found[0]:
            shown = ", ".join(name for name in known if "/" not in name)
            raise ConfigError(
                f"objective '{text}': no task of the run reports '{found[0]}'; it reports {shown} "
                "and loss/*."
            )
        try:
            self._tree = ast.parse(code.strip(), mode="eval").body
            self._check(self._tree)
        except (SyntaxError, ValueError):
            raise ConfigError(
                f"objective '{text}' must be arithmetic over metrics, as in 0.7*ao + 0.3*iou; "
                "it may have + - * / **, min(), max(), log() and brackets."
            ) from None
        if not self._names:
            raise ConfigError(f"objective '{text}' names no metric; every trial would be equal.")

    @property
    def names(self) -> tuple[str, ...]:
        """Metrics it needs, each once."""
        return tuple(dict.fromkeys(self._names.values()))

    def value(self, metrics: Mapping[str, Any]) -> float:
        """The value over a run's metrics.

        Raises:
            ConfigError: a metric is missing, or the arithmetic has no finite value.
        """
        missing = [name for name in self.names if not isinstance(metrics.get(name), (int, float))]
        if missing:
            raise ConfigError(f"objective '{self.text}': the run did not report '{missing[0]}'.")
        try:
            value = self._value(self._tree, metrics)
        except (ArithmeticError, ValueError) as error:
            raise ConfigError(f"objective '{self.text}' has no value here: {error}.") from None
        if isinstance(value, complex) or not math.isfinite(value):
            raise ConfigError(f"objective '{self.text}' must be a finite number, got {value}.")
        return float(value)

    def _check(self, node: ast.AST) -> None:
        if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
            self._check(node.left)
            self._check(node.right)
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
            self._check(node.operand)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id not in _FUNCTIONS or node.keywords or not node.args:
                raise ValueError
            for argument in node.args:
                self._check(argument)
        elif isinstance(node, ast.Constant):
            if isinstance(node.value, bool) or not isinstance(node.value, (int, float)):
                raise ValueError
        elif not (isinstance(node, ast.Name) and node.id in self._names):
            raise ValueError

    def _value(self, node: ast.AST, metrics: Mapping[str, Any]) -> Any:
        if isinstance(node, ast.BinOp):
            left, right = self._value(node.left, metrics), self._value(node.right, metrics)
            return _OPERATORS[type(node.op)](float(left), float(right))
        if isinstance(node, ast.UnaryOp):
            value = self._value(node.operand, metrics)
            return -value if isinstance(node.op, ast.USub) else value
        if isinstance(node, ast.Call):
            assert isinstance(node.func, ast.Name)
            arguments = [self._value(argument, metrics) for argument in node.args]
            return (
                _FUNCTIONS[node.func.id](*arguments)
                if len(arguments) > 1
                else _one(node.func.id, arguments[0])
            )
        if isinstance(node, ast.Constant):
            return node.value
        assert isinstance(node, ast.Name)
        return metrics[self._names[node.id]]


def _one(function: str, value: Any) -> Any:
    return _FUNCTIONS[function](value) if function == "log" else value
