"""A run whose storage has been moved: what lay beside it in its config lies beside it still."""

from __future__ import annotations

from typing import Any


def moved(values: Any, before: str, now: str) -> Any:
    """The values of a config with paths below a storage folder that has another place now.

    What the two places end in alike was moved with the run: from /a/runs/x to /b/runs/x every path
    below /a is one below /b.

    Args:
        values: plain maps, lists and scalars; not changed.
        before: storage of the run when its config was written, absolute.
        now: its storage today, absolute.
    """
    if before == now:
        return values
    while True:
        (above, _, name), (above_now, _, name_now) = before.rpartition("/"), now.rpartition("/")
        if name != name_now or not above or not above_now:
            return _replaced(values, before, now)
        before, now = above, above_now


def _replaced(values: Any, before: str, now: str) -> Any:
    if isinstance(values, dict):
        return {key: _replaced(value, before, now) for key, value in values.items()}
    if isinstance(values, list):
        return [_replaced(value, before, now) for value in values]
    below = isinstance(values, str) and f"{values}/".startswith(f"{before}/")
    return f"{now}{values[len(before) :]}" if below else values
