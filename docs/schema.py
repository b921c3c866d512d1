"""Writes docs/schema/GROUP.json, the JSON Schema of the options in conf/GROUP, by which editors complete keys, show what they mean, and
mark what the config would refuse: `make schema`. A file of conf/ names its schema in its first line."""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from accord.files import as_json
from accord.models import loading
from accord.schema.config import Config
from accord.schema.section import Section

ROOT = Path(__file__).parents[1]
FOLDER = Path(__file__).with_suffix("")
DRAFT = "https://json-schema.org/draft/2020-12/schema"
REFERENCE = {"type": "string", "pattern": r"\$\{.+\}"}
"""What stands for any value: ${oc.env:NAME}, or ${data.targets}."""
DEFAULTS = {
    "type": "array",
    "description": "Hydra's: the options of the same folder that this one begins with",
}
Schema = dict[str, Any]


def schemas() -> dict[str, str]:
    """The text of each schema, by the group's name; of conf/config.yaml as `config`."""
    groups = {name: field.annotation for name, field in Config.model_fields.items()}
    sections = {
        name: kind for name, kind in groups.items() if inspect.isclass(kind) and issubclass(kind, Section)
    }
    found = {name: _of_section(kind) for name, kind in sections.items() if (ROOT / "conf" / name).is_dir()}
    found["model"] = _of_models()
    found["experiment"] = _of_presets(found)
    found["config"] = _of_section(Config)
    return {name: as_json({"$schema": DRAFT, **schema}) + "\n" for name, schema in found.items()}


def _of_section(kind: type[BaseModel]) -> Schema:
    """Of a file that may leave out any key of the section."""
    schema = kind.model_json_schema(ref_template="#/$defs/{model}")
    docs = {one.__name__: _docs(one) for one in _sections_of(kind)}
    for name, part in [(kind.__name__, schema), *schema.get("$defs", {}).items()]:
        _loosen(part, docs.get(name, {}))
    schema["properties"]["defaults"] = DEFAULTS
    return schema


def _of_models() -> Schema:
    """Of the models that conf/model lists, each with its own keys; a class of another package has keys of its own."""
    targets = {
        yaml.safe_load(file.read_text("utf-8")).get("_target_")
        for file in (ROOT / "conf/model").glob("*.yaml")
    }
    own = sorted(target for target in targets if target and target.startswith("accord."))
    parts = []
    for target in own:
        schema = _of_section(loading.model_class(target))
        schema["properties"] |= {"_target_": {"const": target}}
        parts.append(
            {"if": {"properties": {"_target_": {"const": target}}, "required": ["_target_"]}, "then": schema}
        )
    return {"type": "object", "properties": {"_target_": {"type": "string"}}, "allOf": parts}


def _of_presets(groups: Schema) -> Schema:
    """Of presets of the selection: an option a group, and overrides."""
    names = {name: {"type": "string"} for name in groups if name != "experiment"}
    overrides = {"type": "object", "description": "Values of single keys, by group"}
    return {"type": "object", "additionalProperties": False, "properties": {**names, "overrides": overrides}}


def _loosen(part: Schema, docs: dict[str, str]) -> None:
    """Lets each key be left out or be a reference, and says what it means."""
    part.pop("required", None)
    for name, value in part.get("properties", {}).items():
        value.pop("title", None)
        plain = {key: value.pop(key) for key in [*value] if key != "description"}
        for one in [plain, *plain.get("anyOf", [])]:
            if "patternProperties" in one:
                one["additionalProperties"] = False
        part["properties"][name] = {
            "anyOf": [plain, REFERENCE],
            **({"description": docs[name]} if name in docs else {}),
        }


def _sections_of(kind: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """The class, and all sections that the package has."""
    yield kind
    waiting = [Section]
    while waiting:
        one = waiting.pop()
        yield one
        waiting += one.__subclasses__()


def _docs(kind: type[BaseModel]) -> dict[str, str]:
    """What the text below each field says."""
    [body] = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(body, ast.ClassDef)
    found = {}
    for field, text in zip(body.body, body.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
        ):
            assert isinstance(field.target, ast.Name)
            found[field.target.id] = " ".join(str(text.value.value).split())
    return found


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, text in schemas().items():
        (FOLDER / f"{name}.json").write_text(text, encoding="utf-8")
