"""What the sections of the config are made of: names, SQL, durations, shares."""

from collections.abc import Mapping
from datetime import date
from types import UnionType
from typing import Annotated, Any, Self, Union, cast, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, TypeAdapter


def _word(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError(
            "YAML takes yes, no, on, off, true and false without quotes for true or false; write the word in quotes"
        )
    if isinstance(value, int | float | date):
        raise ValueError(f'YAML takes {value} without quotes for a {type(value).__name__}; write "{value}"')
    return value


def written(default: Any = None) -> Any:
    """A key that the config leaves out wherever it isn't written, so that contracts without it stay as they are."""
    return Field(default, exclude_if=lambda value: value is None)


Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]
ObjectPath = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$")]
"""A name, or the dotted path of an object that can be imported."""
Sql = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Duration = Annotated[str, StringConstraints(pattern=r"^\d+(mo|[mhdwqy])$")]
"""A count and a unit, such as 90m, 3h, 1d, 2w, 1mo or 1y."""
Share = Annotated[float, Field(ge=0, lt=1)]
Word = Annotated[str, BeforeValidator(_word)]
"""Text as it stands in a table."""


class Section(BaseModel):
    """A part of the config: unknown keys are refused, values can't change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @classmethod
    def partial(cls, values: Mapping[str, Any]) -> Self:
        """The part of a section that valid `values` hold: reading a key that isn't among them raises AttributeError, unless
        it is one that the config leaves out wherever it isn't written."""
        fields = {name: _typed(cls.model_fields[name].annotation, value) for name, value in values.items()}
        part = cls.model_construct(_fields_set=set(fields), **fields)
        for name in cls.model_fields.keys() - fields.keys():
            if cls.model_fields[name].exclude_if is None:
                part.__dict__.pop(name, None)
        return cast(Self, part)


def _typed(kind: Any, value: Any) -> Any:
    """The value as its annotation has it, and sections in part, be they alone or in a dictionary."""
    if get_origin(kind) in (Union, UnionType) and value is not None:
        kind = next((one for one in get_args(kind) if _is_section(one)), kind)
    if isinstance(value, dict) and _is_section(kind):
        return kind.partial(value)
    if isinstance(value, dict) and get_origin(kind) is dict and _is_section(get_args(kind)[1]):
        return {name: get_args(kind)[1].partial(one) for name, one in value.items()}
    return TypeAdapter(kind).validate_python(value)


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Section)
