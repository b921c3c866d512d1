"""From a section such as conf/model/lightgbm.yaml to the class that it names, which may stand anywhere."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from pydantic import ValidationError

from accord.errors import AccordError, nearest
from accord.models import Model


def model_class(target: str) -> type[Model]:
    """The class that `_target_` names. Raises AccordError if there is none or it is no Model."""
    module, _, name = target.rpartition(".")
    try:
        found = getattr(import_module(module), name, None)
    except (ImportError, ValueError) as error:
        raise AccordError(
            f"model._target_: can't import '{target}': {error}; expected a class such as accord.models.lightgbm.LightGBM"
        ) from error
    if not (isinstance(found, type) and issubclass(found, Model)):
        raise AccordError(f"model._target_: '{target}' is no subclass of accord.models.Model")
    return found


def build(params: Mapping[str, Any]) -> Model:
    """The model that a section such as conf/model/lightgbm.yaml describes. Raises AccordError for what doesn't fit."""
    words = dict(params)
    target = words.pop("_target_", None)
    if not isinstance(target, str):
        raise AccordError(
            "model._target_ is missing; expected the class's path, such as accord.models.lightgbm.LightGBM"
        )
    kind = model_class(target)
    try:
        return kind.model_validate(words)
    except ValidationError as error:
        fault, key = error.errors()[0], _key(error.errors()[0]["loc"], words)
        if fault["type"] == "extra_forbidden":
            raise AccordError(
                f"model.{key}: {kind.__name__} has no such parameter; {nearest(key, kind.model_fields)}"
            ) from error
        if fault["type"] == "missing":
            raise AccordError(
                f"model.{key} is missing, which {kind.__name__} needs; add it to the model's file in conf/model or to params.yaml"
            ) from error
        expected = [one["msg"] for one in error.errors() if _key(one["loc"], words) == key]
        wanted = " or ".join(expected).replace(" or Input should be", " or")
        raise AccordError(f"model.{key}: found {fault['input']!r}; {wanted}") from error


def _key(place: Sequence[str | int], words: Any) -> str:
    """The key that a fault is of. Its place goes on with the types that were tried, where several are allowed."""
    names: list[str] = []
    for part in place:
        if not isinstance(words, Mapping):
            break
        names.append(str(part))
        words = words.get(part)
    return ".".join(names)


def checked_params(params: Mapping[str, Any]) -> dict[str, Any]:
    """The section with every default spelled out."""
    return {"_target_": params["_target_"], **build(params).model_dump(mode="json")}
