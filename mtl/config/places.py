"""What a section given in part has for the rest: the values of the place where it stands.

`checkpoint: {keep: 1}` of a unified run keeps that run's own metric, not that of any checkpoint
section; the search crop keeps its own factor, not that of any crop.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, get_args, get_origin

from pydantic import BaseModel

TAGS = ("kind", "family")
"""Keys that say which of several sections a section is."""


def with_values_of_its_place(schema: type[BaseModel], values: Mapping[str, Any]) -> dict[str, Any]:
    """Plain values of a config, every section that is given in part filled from its place.

    Args:
        schema: of the values.
        values: as read; what is wrong with them is left as it is.
    """
    filled = dict(values)
    for name, field in schema.model_fields.items():
        given, here = filled.get(name), field.default
        if not isinstance(given, Mapping) or get_origin(field.annotation) is dict:
            continue
        if isinstance(here, BaseModel) and here.model_fields_set:
            own = here.model_dump(mode="json", include=here.model_fields_set)
            given = own | dict(given)
        section = _section(field.annotation, given, here)
        filled[name] = with_values_of_its_place(section, given) if section else dict(given)
    return filled


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The sections that a field can hold."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from models_in(argument)


def _section(annotation: Any, given: Mapping[str, Any], here: Any) -> type[BaseModel] | None:
    """Which section it is: of several by its tag, without a tag that of the default."""
    found = list(models_in(annotation))
    if len(found) == 1:
        return found[0]
    tags = {tag: given[tag] for tag in TAGS if tag in given}
    if not tags:
        return type(here) if isinstance(here, BaseModel) else None
    for section in found:
        own = {name: field.default for name, field in section.model_fields.items()}
        if any(own.get(tag) == value for tag, value in tags.items()):
            return section
    return None
