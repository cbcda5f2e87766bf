"""From a preset or a YAML file and `section.key=value` words to a checked `RunConfig`."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from mtl.config.places import models_in, with_values_of_its_place
from mtl.config.schema import Config, EvaluateConfig, RunConfig, TrackerRunConfig
from mtl.config.tracker_run import as_tracker
from mtl.config.unified_run import UnifiedEvaluateConfig, UnifiedRunConfig
from mtl.errors import ConfigError

_Schema = TypeVar("_Schema", bound=Config)
_Evaluation = TypeVar("_Evaluation", EvaluateConfig, UnifiedEvaluateConfig)

RUN_SCHEMAS: dict[str, type[RunConfig]] = {
    "hiptrack": TrackerRunConfig,
    "simtrack": TrackerRunConfig,
    "unified": UnifiedRunConfig,
}
"""What the keys of a run are, by `model.family`."""
DEFAULT_FAMILY = "hiptrack"
"""Of a config that names none."""
_COMMAND_LINE = "the command line"


class _Loader(yaml.SafeLoader):
    """YAML with mends: 1e-4 is a number; dates, yes, no, on, off are text; no key stands twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key '{key.value}' stands twice", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern) for tag, pattern in rules if not tag.endswith(("timestamp", "float", "bool"))
    ]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^(true|false)$"), ["t", "f"])
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d+\.\d*|\.\d+|\d+)([eE][-+]?\d+)?$|^[-+]?\.(inf|Inf)$|^\.(nan|NaN)$"),
    list("-+0123456789."),
)


def preset_names() -> list[str]:
    """Names of the presets that ship with the project, sorted."""
    folder = resources.files("mtl.config") / "presets"
    return sorted(f.name[:-5] for f in folder.iterdir() if f.name.endswith(".yaml"))


def load(source: str, overrides: Sequence[str] = ()) -> RunConfig:
    """Resolve a preset name or a YAML file plus overrides.

    Args:
        source: a name of `preset_names()` or the path of a YAML file.
        overrides: words of the form `section.key=value`; the value is read as YAML.

    Raises:
        ConfigError: one sentence that names the key, the file and what to write instead.
    """
    return load_text(*_read(source), overrides)


def load_text(text: str, origin: str, overrides: Sequence[str] = ()) -> RunConfig:
    """Resolve YAML text plus overrides; `origin` names the text in messages.

    Raises:
        ConfigError: as `load`.
    """
    return _overridden(_parse(text, origin), origin, overrides)


def load_as(
    schema: type[_Schema], text: str, origin: str, overrides: Sequence[str] = ()
) -> _Schema:
    """Resolve YAML text plus overrides against a schema that is not a run's.

    Raises:
        ConfigError: as `load`.
    """
    values = _parse(text, origin)
    for word in overrides:
        _apply(values, word)
    return _validated(schema, values, origin, _keys(overrides))


def load_tracker(source: str, overrides: Sequence[str] = ()) -> TrackerRunConfig:
    """As `load`, for what only trackers do.

    Raises:
        ConfigError: as `load`, and if the config is of another family.
    """
    return as_tracker(load(source, overrides), f"'{source}'")


def load_evaluation(defaults: _Evaluation, overrides: Sequence[str]) -> _Evaluation:
    """An evaluation's config: defaults plus `section.key=value` words.

    Raises:
        ConfigError: as `load`.
    """
    values = defaults.model_dump(mode="json")
    for word in overrides:
        _apply(values, word)
    return _validated(type(defaults), values, "the defaults", _keys(overrides))


def _overridden(values: dict[str, Any], origin: str, overrides: Sequence[str]) -> RunConfig:
    for word in overrides:
        _apply(values, word)
    return _validated(_run_schema(values, origin), values, origin, _keys(overrides))


def _keys(overrides: Sequence[str]) -> tuple[str, ...]:
    return tuple(word.split("=", 1)[0] for word in overrides)


def _run_schema(values: Mapping[str, Any], origin: str) -> type[RunConfig]:
    model = values.get("model")
    family = model.get("family", DEFAULT_FAMILY) if isinstance(model, dict) else DEFAULT_FAMILY
    if family not in RUN_SCHEMAS:
        known = ", ".join(f"'{name}'" for name in RUN_SCHEMAS)
        raise ConfigError(f"'model.family' in {origin} must be one of {known}, got '{family}'")
    return RUN_SCHEMAS[family]


def validate(values: Mapping[str, Any], origin: str) -> RunConfig:
    """Check plain values against the schema; `origin` names their file in messages."""
    return _validated(_run_schema(values, origin), values, origin)


def _validated(
    schema: type[_Schema],
    values: Mapping[str, Any],
    origin: str,
    from_command_line: Sequence[str] = (),
) -> _Schema:
    try:
        return schema.model_validate_json(json.dumps(with_values_of_its_place(schema, values)))
    except ValidationError as error:
        first = _most_telling(error)
        place = _place(values, first["loc"])
        where = _COMMAND_LINE if place.path in from_command_line else origin
        if first["type"] == "extra_forbidden":
            sentence = _unknown(schema, place, where, from_command_line)
        else:
            sentence = _refused(first, place.path, where)
        raise ConfigError(sentence) from None
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"{origin} holds a value that is no plain number, text, list or map: {error}"
        ) from None


class _Place(NamedTuple):
    """Where in a config an error lies."""

    path: str
    """Its key."""
    section: str = ""
    """Path of the innermost section around it that is one of several alternatives, if any is."""
    tag: str = ""
    """Key of that section which says which alternative it is; empty: there is no such section."""
    chosen: str = ""
    """What that key says."""


def _place(values: Any, location: Sequence[int | str]) -> _Place:
    """A location without the tags that tell alternatives apart (`cosine`, `hiptrack`)."""
    keys: list[str] = []
    alternative: tuple[str, ...] = ()
    for part in location:
        tags = _tags(values) if isinstance(values, dict) and part not in values else {}
        if tag := next((tag for tag in tags if tags[tag] == part), None):
            alternative = ".".join(keys), tag, str(part)
            continue
        values = values.get(part) if isinstance(values, dict) else None
        keys.append(str(part))
    return _Place(".".join(keys), *alternative)


def _tags(values: Mapping[str, Any]) -> dict[str, Any]:
    return {"kind": values.get("kind"), "family": values.get("family", DEFAULT_FAMILY)}


def to_yaml(config: RunConfig) -> str:
    """The resolved config, every key written out; `load` of this text gives an equal config."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, width=100)


def _read(source: str) -> tuple[str, str]:
    if source in preset_names():
        file = resources.files("mtl.config") / "presets" / f"{source}.yaml"
        return file.read_text(encoding="utf-8"), f"preset '{source}'"
    path = Path(source)
    if not path.is_file():
        near = difflib.get_close_matches(source, preset_names(), n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"presets are {', '.join(preset_names())}."
        raise ConfigError(f"'{source}' is neither a preset nor a YAML file; {hint}")
    try:
        return path.read_text(encoding="utf-8"), source
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{source} cannot be read as text: {error}; give a YAML file.") from None


def _parse(text: str, origin: str) -> dict[str, Any]:
    try:
        values = yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise ConfigError(f"{origin} is not valid YAML: {' '.join(str(error).split())}") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(f"{origin} must be a map of keys, got {type(values).__name__}.")
    return values


def _apply(values: dict[str, Any], word: str) -> None:
    path, sign, text = word.partition("=")
    if not sign or not path:
        raise ConfigError(f"'{word}' is not an override; write section.key=value.")
    try:
        value = yaml.load(text, Loader=_Loader) if text else None
    except yaml.YAMLError:
        raise ConfigError(f"the value in '{word}' is not valid YAML; quote it.") from None
    *parents, last = path.split(".")
    place = values
    for depth, parent in enumerate(parents):
        if place.get(parent) is None:
            place[parent] = {}
        place = place[parent]
        if not isinstance(place, dict):
            raise ConfigError(
                f"'{'.'.join(parents[: depth + 1])}' has no keys below it; '{word}' sets nothing."
            )
    place[last] = value


def _most_telling(error: ValidationError) -> Any:
    """An unknown key explains the missing one it was meant to be, so it goes first."""
    details = error.errors()
    return next((d for d in details if d["type"] == "extra_forbidden"), details[0])


def _unknown(
    schema: type[Config], place: _Place, where: str, from_command_line: Sequence[str]
) -> str:
    known = list(_key_paths(schema, place.path))
    if place.path in known and place.tag:  # of another alternative
        tag, key = f"{place.section}.{place.tag}", place.path.removeprefix(f"{place.section}.")
        changed = f"write {place.section}={{{place.tag}: {place.chosen}}}"
        remedy = changed if tag in from_command_line and where != _COMMAND_LINE else "leave it out"
        return f"{tag}={place.chosen} has no key '{key}' (in {where}); {remedy}"
    near = difflib.get_close_matches(place.path, known, n=1, cutoff=0.5)
    hint = f"; did you mean '{near[0]}'?" if near else ""
    return f"unknown key '{place.path}' in {where}{hint}"


def _refused(detail: Any, path: str, where: str) -> str:
    reason = detail["msg"].removeprefix("Value error, ")
    if detail["type"] == "value_error":
        return f"{path + ': ' if path else ''}{reason} (in {where})"
    if detail["type"] == "union_tag_invalid":
        tag = "family" if "_family" in detail["ctx"]["discriminator"] else "kind"
        known, got = detail["ctx"]["expected_tags"], detail["ctx"]["tag"]
        return f"'{path}.{tag}' in {where} must be one of {known}, got '{got}'"
    if detail["type"] == "union_tag_not_found":
        return f"'{path}' in {where} needs the key 'kind', which says what its other keys mean."
    if detail["type"] == "missing":
        return f"key '{path}' is missing in {where}; add it."
    return f"'{path}' in {where}: {reason[0].lower() + reason[1:]}, got {detail['input']!r}"


def _key_paths(model: type[BaseModel], like: str, prefix: str = "") -> Iterator[str]:
    """Every key path; in a map of models, with the names that the path `like` uses."""
    for name, field in model.model_fields.items():
        path = prefix + name
        yield path
        for inner in models_in(field.annotation):
            if get_origin(field.annotation) is dict:
                used = like.removeprefix(f"{path}.").split(".")[0]
                yield from _key_paths(inner, like, f"{path}.{used}.")
            else:
                yield from _key_paths(inner, like, f"{path}.")
