"""Each value of the config stands once, in conf/: the schema and the models' classes have types, and no second default."""

import pytest
from pydantic import BaseModel
from shipped import CONF, sections, shipped_option, shipped_values

from accord.models import loading
from accord.schema.section import Section

WRITTEN_BY_USERS = ("data", "objective")
"""Sections of which each user writes an own one, where a key may be left out whose absence says that there is none."""
SECTIONS = [(path, kind) for path, kind in sections() if path and path[0] not in WRITTEN_BY_USERS]
USERS_SECTIONS = [(path, kind) for path, kind in sections() if path and path[0] in WRITTEN_BY_USERS]
MODELS = sorted(file.stem for file in (CONF / "model").glob("*.yaml"))


def names(option: tuple[tuple[str, ...], type[Section]] | str) -> str:
    return option if isinstance(option, str) else ".".join(option[0])


def with_defaults(kind: type[BaseModel]) -> list[str]:
    return [name for name, field in kind.model_fields.items() if not field.is_required()]


@pytest.mark.parametrize("section", SECTIONS, ids=names)
def test_a_section_has_no_default_in_the_schema(section: tuple[tuple[str, ...], type[Section]]):
    assert with_defaults(section[1]) == []


@pytest.mark.parametrize("section", SECTIONS, ids=names)
def test_conf_has_the_keys_of_a_section_and_no_others(section: tuple[tuple[str, ...], type[Section]]):
    path, kind = section
    values = {**shipped_values(), "serving": shipped_option("serving", "default")}
    if path == ("serving", "traffic", "postgres"):
        values["serving"]["traffic"] = shipped_option("serving", "postgres")["traffic"]
    found = values
    for name in path:
        found = found[name]
    assert found.keys() == kind.model_fields.keys()


@pytest.mark.parametrize("section", USERS_SECTIONS, ids=names)
def test_what_a_user_may_leave_out_has_no_value_in_the_schema(section: tuple[tuple[str, ...], type[Section]]):
    _, kind = section
    for name in with_defaults(kind):
        default = kind.model_fields[name].get_default(call_default_factory=True)
        assert default is None or default is False or default in ("", [], {}), name


@pytest.mark.parametrize("section", USERS_SECTIONS, ids=names)
def test_what_users_begin_with_are_keys_that_the_schema_asks_for(
    section: tuple[tuple[str, ...], type[Section]],
):
    path, kind = section
    base = shipped_values()
    for name in path:
        base = base.get(name, {})
    assert base.keys() <= kind.model_fields.keys()
    values = {name for name, value in base.items() if not isinstance(value, dict)}
    assert not values & set(with_defaults(kind))


@pytest.mark.parametrize("option", MODELS, ids=names)
def test_the_file_of_a_model_has_the_parameters_of_its_class_and_no_others(option: str):
    values = shipped_option("model", option)
    kind = loading.model_class(values.pop("_target_"))
    assert with_defaults(kind) == []
    assert values.keys() == kind.model_fields.keys()
