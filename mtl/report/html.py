"""Pieces of an HTML page. Every function escapes the plain text it takes; `Html` is safe."""

from __future__ import annotations

import base64
import html
from collections.abc import Container, Iterable, Sequence
from typing import NewType

from mtl.report.style import CSS

Html = NewType("Html", str)
"""Markup made by this module; the only thing that reaches the page unescaped."""

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""Tells the browser to load nothing from anywhere and to run no script."""


def text(value: str) -> Html:
    """Plain text as markup."""
    return Html(html.escape(value, quote=True))


def join(parts: Iterable[Html]) -> Html:
    """Pieces one after another."""
    return Html("\n".join(parts))


def tag(name: str, content: Html, class_name: str = "") -> Html:
    """An element around other markup."""
    attribute = f' class="{text(class_name)}"' if class_name else ""
    return Html(f"<{name}{attribute}>{content}</{name}>")


def paragraph(value: str, class_name: str = "") -> Html:
    """A paragraph of plain text."""
    return tag("p", text(value), class_name)


def section(title: str, *parts: Html) -> Html:
    """A titled part of the page; none of it if all parts are empty."""
    content = join(part for part in parts if part)
    return tag("section", Html(tag("h2", text(title)) + content)) if content else Html("")


def details(title: str, content: Html) -> Html:
    """Something folded away under its title."""
    return Html(f"<details><summary>{text(title)}</summary>{content}</details>")


def table(
    caption: str,
    headers: Sequence[str],
    rows: Iterable[Sequence[str]],
    class_name: str = "numbers",
    strong: Container[tuple[int, int]] = frozenset(),
) -> Html:
    """A table whose first column names the rows; `strong` are (row, column) of bold cells."""
    head = "".join(f'<th scope="col">{text(header)}</th>' for header in headers)
    body = "".join(
        f'<tr><th scope="row">{text(row[0])}</th>'
        + "".join(
            f"<td>{tag('strong', text(value)) if (place, column) in strong else text(value)}</td>"
            for column, value in enumerate(row[1:], start=1)
        )
        + "</tr>"
        for place, row in enumerate(rows)
    )
    return scrolled(
        Html(
            f'<table class="{text(class_name)}"><caption>{text(caption)}</caption>'
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        )
    )


def scrolled(content: Html) -> Html:
    """Something wide that scrolls by itself on a narrow screen, by keyboard too."""
    return Html(f'<div class="scroll" tabindex="0">{content}</div>')


def definitions(pairs: Iterable[tuple[str, str]]) -> Html:
    """Names and what they are."""
    return tag(
        "dl",
        Html("".join(f"<div><dt>{text(k)}</dt><dd>{text(v)}</dd></div>" for k, v in pairs)),
    )


def image(data: bytes, media_type: str, description: str, caption: str) -> Html:
    """A picture inside the page, with its description for those who do not see it.

    A plot that has a title of its own needs no caption.
    """
    source = f"data:{media_type};base64,{base64.b64encode(data).decode('ascii')}"
    return Html(
        f"<figure>{tag('figcaption', text(caption)) if caption else ''}"
        f'<img src="{source}" alt="{text(description)}"></figure>'
    )


def page(title: str, *parts: Html) -> str:
    """The whole document."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{text(POLICY)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{text(title)}</title>\n<style>{CSS}</style>\n</head>\n"
        f"<body>\n<main>\n{join(part for part in parts if part)}\n</main>\n</body>\n</html>\n"
    )
