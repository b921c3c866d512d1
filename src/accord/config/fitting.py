"""Overrides that were written for another option of their group, such as the number of trees after a switch to model=linear.

A switch by words drops them from params.yaml. After an edit by hand, or `dvc exp run -S model=linear`, they are still there.
They are then left out if the config is refused with them. What belongs to no option at all is a mistake, and stays.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import yaml
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, ListConfig, OmegaConf

from accord.config.selection import Selection, leaves, options, without
from accord.errors import AccordError
from accord.schema.config import Config
from accord.schema.section import Section

Keys = tuple[str, ...]


def with_options(groups: Mapping[str, str], conf: Path) -> DictConfig:
    """The config of these options, with no overrides, and with references as they stand. Raises AccordError for a file that is
    no YAML, or holds something else than keys with values."""
    try:
        with initialize_config_dir(str(conf.absolute()), version_base="1.3"):
            config = compose("config", overrides=[f"{group}={option}" for group, option in groups.items()])
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        refuse_unreadable(conf)
        raise AccordError(f"{conf} is not valid YAML: {' '.join(str(error).split())}") from error
    except OSError:
        refuse_unreadable(conf)
        raise
    for group, option in groups.items():
        if isinstance(config.get(group), ListConfig):
            raise AccordError(_keyless(conf / group / f"{option}.yaml"))
    return config


def refuse_unreadable(conf: Path) -> None:
    """Raises AccordError for the first file that OmegaConf can't read, with the line that it stumbles over."""
    for file in sorted(conf.rglob("*.yaml")):
        try:
            OmegaConf.load(file)
        except yaml.MarkedYAMLError as error:
            raise AccordError(_misread(file, error)) from error
        except UnicodeDecodeError as error:
            raise AccordError(f"{file} is no text in UTF-8: {error}. Save it as UTF-8") from error
        except OSError as error:
            if error.errno is not None:
                raise
            raise AccordError(_keyless(file)) from error  # so OmegaConf refuses a single value
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise AccordError(f"{file} is not valid YAML: {' '.join(str(error).split())}") from error


def _misread(file: Path, error: yaml.MarkedYAMLError) -> str:
    """Where the file is no YAML, and why, with the line itself."""
    where, shown = "", ""
    if error.problem_mark is not None:
        number = error.problem_mark.line
        lines = file.read_text(encoding="utf-8").splitlines()
        where, shown = f", line {number + 1},", f": {lines[number]!r}" if number < len(lines) else ""
    return (
        f"{file}{where} is not valid YAML: {error.problem or error.context}{shown}. Expected `key: value`, each key once, keys of one "
        "section in one column, indented by blanks, and text with signs such as : # * & % @ in quotes"
    )


def _keyless(file: Path) -> str:
    return f"{file} holds no keys with values; expected lines such as `name: ...`, and no list, text or number alone"


def without_misfits(selection: Selection, conf: Path) -> Selection:
    """The selection without overrides that only another option of their group has a place for, and a note on each group's.
    What words have just asked for stays."""
    overrides, notes = selection.overrides, list(selection.notes)
    chosen = _values(selection.groups, conf)
    for group, option in selection.groups.items():
        misfits = [
            keys
            for keys in leaves(selection.overrides)
            if keys[0] == group and not _is_asked(keys, selection) and not _has_place(chosen, keys)
        ]
        others = [
            _values({**selection.groups, group: other}, conf)
            for other in options(conf)[group]
            if misfits and other != option
        ]
        misfits = [keys for keys in misfits if any(_has_place(values, keys) for values in others)]
        for keys in misfits:
            overrides = without(overrides, keys)
        if misfits:
            names = ", ".join(".".join(keys) for keys in misfits)
            notes.append(f"{names}: left out, for {group}={option} has no such key, and another option has")
    return Selection(selection.groups, overrides, notes, selection.asked)


def _is_asked(keys: Keys, selection: Selection) -> bool:
    return any(".".join(keys[: i + 1]) in selection.asked for i in range(1, len(keys)))


def _values(groups: Mapping[str, str], conf: Path) -> Any:
    return OmegaConf.to_container(with_options(groups, conf), resolve=False)


def _has_place(values: Any, keys: Keys) -> bool:
    """Whether an override changes something that the options have. A key of a section has a place as the schema says; an entry
    of a dictionary, such as a metric or a parameter of a model, if it is there already."""
    kind: Any = Config
    for key in keys:
        if isinstance(values, str):
            return True  # a reference to another part of the config
        there = values.get(key) if isinstance(values, Mapping) else None
        section = _section(kind)
        if section is None and there is None:
            return isinstance(values, Mapping) and key in values
        if section is not None and there is None and _is_optional(section, key) and key != keys[-1]:
            return False
        kind = (
            section.model_fields[key].annotation
            if section and key in section.model_fields
            else _of_each(kind)
        )
        values = there
    return True


def _section(kind: Any) -> type[Section] | None:
    """The section that an annotation is of, be it optional or not."""
    kinds = [kind, *(one for one in get_args(kind) if type(None) in get_args(kind))]
    return next((one for one in kinds if isinstance(one, type) and issubclass(one, Section)), None)


def _is_optional(section: type[Section], key: str) -> bool:
    return key in section.model_fields and not section.model_fields[key].is_required()


def _of_each(kind: Any) -> Any:
    """What a dictionary's annotation says of its values."""
    return get_args(kind)[-1] if get_args(kind) else Any
