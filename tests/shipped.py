"""Sections with the values that conf/ ships, for tests that need one of their own: the schema has no values."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

import yaml

from accord.config.compose import BASE, EACH, on_base
from accord.schema.config import Config
from accord.schema.section import Section

CONF = Path(__file__).parents[1] / "conf"
S = TypeVar("S", bound=Section)


def shipped(kind: type[S], **given: Any) -> S:
    """A section of this kind: what is given, and for the rest what conf/ says."""
    path = next(path for path, section in sections() if section is kind)
    values: Any = shipped_values()
    for name in path:
        values = values[name]
    return kind.model_validate(on_base(kind, values, given))


def sections(
    kind: type[Section] = Config, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], type[Section]]]:
    """Each section of the schema with its path in the config, where a star stands for each name of a dictionary."""
    yield path, kind
    for name, field in kind.model_fields.items():
        for inner, more in _sections_in(field.annotation):
            yield from sections(inner, (*path, name, *more))


def shipped_option(group: str, option: str) -> dict[str, Any]:
    """The file of an option, as it stands."""
    values = yaml.safe_load((CONF / group / f"{option}.yaml").read_text(encoding="utf-8"))
    return dict(values)


@cache
def shipped_values() -> dict[str, Any]:
    """What conf/config.yaml says itself, the options that it begins with, and of data and objective what each begins with."""
    values, bases = (
        yaml.safe_load((CONF / name).read_text(encoding="utf-8")) for name in ("config.yaml", BASE)
    )
    options = [entry for entry in values.pop("defaults") if entry != "_self_"]
    chosen = {group: shipped_option(group, option) for entry in options for group, option in entry.items()}
    return {**values, **chosen, **bases}


def _sections_in(annotation: Any) -> Iterator[tuple[type[Section], tuple[str, ...]]]:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation, ()
    for argument in get_args(annotation):
        for section, path in _sections_in(argument):
            yield section, (EACH, *path) if get_origin(annotation) is dict else path
