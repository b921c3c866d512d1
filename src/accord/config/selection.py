"""The selection: params.yaml with one line per config group and overrides, and the words that change it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from accord.errors import AccordError, nearest
from accord.files import write_text
from accord.paths import Paths

UNSET = object()
"""The value of a word that has none, such as `model.C=`."""


@dataclass
class Selection:
    """What params.yaml says: an option for each group of conf/, and overrides on top."""

    groups: dict[str, str]
    overrides: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    """What changed beside what the words say, for the user to read."""
    asked: list[str] = field(default_factory=list)
    """The keys that the words override."""


def options(conf: Path) -> dict[str, list[str]]:
    """The groups of conf/ and the options of each, presets (`experiment`) included."""
    return {
        folder.name: sorted(file.stem for file in folder.glob("*.yaml") if not file.stem.startswith("_"))
        for folder in sorted(conf.iterdir())
        if folder.is_dir()
    }


def read(paths: Paths) -> Selection:
    path = paths.params
    if not path.exists():
        raise AccordError(
            f"{path} is missing; expected the selection, one line a config group. Restore it: git checkout {path}"
        )
    values = _parse(path.read_text(encoding="utf-8"), str(path))
    if not isinstance(values, Mapping):
        raise AccordError(
            f"{path} holds {type(values).__name__}; expected one line a config group, such as `model: lightgbm`"
        )
    groups = {name: option for name, option in values.items() if name != "overrides"}
    overrides = values.get("overrides") or {}
    if not isinstance(overrides, Mapping):
        raise AccordError(
            f"{path}: overrides is {overrides!r}; expected a mapping such as {{model: {{learning_rate: 0.03}}}}"
        )
    check_groups(groups, str(path), paths.conf)
    return Selection(groups, _plain(overrides))


def check_groups(groups: Mapping[str, Any], where: str, conf: Path) -> None:
    valid = options(conf)
    valid.pop("experiment", None)
    for group, option in groups.items():
        if group not in valid:
            raise AccordError(f"{where}: unknown config group '{group}'; {nearest(group, valid)}")
        if option not in valid[group]:
            raise AccordError(
                f"{where}: conf/{group} has no option '{option}'; {nearest(str(option), valid[group])}"
            )
    for group in valid.keys() - groups.keys():
        raise AccordError(f"{where}: config group '{group}' is not chosen; {nearest('', valid[group])}")


def with_words(selection: Selection, words: Sequence[str], conf: Path) -> Selection:
    """The selection as changed by words such as `model=linear`, `model.C=0.1`, `model.C=` or `experiment=quick`.

    Presets apply first, then groups, then overrides, whatever their order. A group that takes another option
    loses the overrides that belonged to the old one. Raises AccordError for a word that fits nothing.
    """
    valid = options(conf)
    groups, overrides, notes = dict(selection.groups), _plain(selection.overrides), []
    assignments = [_assignment(word) for word in words]

    def choose(group: str, option: str) -> None:
        if groups.get(group) != option and overrides.pop(group, None) is not None:
            notes.append(
                f"{group}: {groups[group]} -> {option}; the overrides of {groups[group]} are dropped"
            )
        groups[group] = option

    for name, option in assignments:
        if name == "experiment":
            _check_option(name, option, valid)
            preset = (
                _parse(
                    (conf / "experiment" / f"{option}.yaml").read_text(encoding="utf-8"),
                    f"conf/experiment/{option}.yaml",
                )
                or {}
            )
            preset_overrides = preset.pop("overrides", None) or {}
            check_groups({**groups, **preset}, f"conf/experiment/{option}.yaml", conf)
            for group, value in preset.items():
                choose(group, value)
            overrides = _merge(overrides, _plain(preset_overrides))
            notes.append(f"experiment={option} stays in params.yaml; accord run --reset takes it off")
    for name, option in assignments:
        if name in groups:
            _check_option(name, option, valid)
            choose(name, option)
    for name, value in assignments:
        if value is UNSET and name not in valid:
            overrides = _unset(name, overrides)
        elif "." in name or name not in valid:
            overrides = _merge(overrides, _plain(_nested(name.split("."), value)))
    return Selection(groups, overrides, notes, [name for name, value in assignments if value is not UNSET])


def shipped(selection: Selection, conf: Path) -> Selection:
    """What conf/config.yaml lists, without overrides; the notes say what of the selection is gone with that."""
    path = conf / "config.yaml"
    values = _parse(path.read_text(encoding="utf-8"), str(path))
    listed = values.get("defaults") if isinstance(values, Mapping) else None
    entries = [entry for entry in listed or () if isinstance(entry, Mapping)]
    groups = {name: option for entry in entries for name, option in entry.items()}
    check_groups(groups, str(path), conf)
    notes = [
        f"{name}: {selection.groups[name]} -> {option}"
        for name, option in groups.items()
        if selection.groups[name] != option
    ]
    names = [".".join(keys) for keys in leaves(selection.overrides)]
    return Selection(groups, {}, [*notes, *([f"No longer overridden: {', '.join(names)}"] if names else [])])


def leaves(values: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """The path of each value that is no dictionary of further ones."""
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from ((key, *more) for more in leaves(value))
        else:
            yield (key,)


def without(values: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    """The values without the one at this path, and without dictionaries that are then empty."""
    left = {key: value for key, value in values.items() if key != keys[0]}
    inner = without(values[keys[0]], keys[1:]) if len(keys) > 1 else {}
    return {key: inner if key == keys[0] else left[key] for key in values if key in left or inner}


def write(selection: Selection, path: Path) -> None:
    """Puts the selection into params.yaml; its comments and the order of its keys stay."""
    yaml = YAML()
    yaml.width = 110
    document = yaml.load(path.read_text(encoding="utf-8"))
    document.update(selection.groups)
    if document.get("overrides") != selection.overrides:
        document["overrides"] = selection.overrides
    text = StringIO()
    yaml.dump(document, text)
    write_text(path, text.getvalue())


def _unset(name: str, overrides: Mapping[str, Any]) -> dict[str, Any]:
    found: Any = overrides
    keys = name.split(".")
    for key in keys:
        found = found.get(key, UNSET) if isinstance(found, Mapping) else UNSET
    if found is UNSET:
        known = [".".join(path) for path in leaves(overrides)]
        raise AccordError(
            f"'{name}=' takes off an override, but {name} is not overridden; {nearest(name, known)}"
        )
    return without(overrides, keys)


def _check_option(group: str, option: Any, valid: Mapping[str, Sequence[str]]) -> None:
    if option is UNSET:
        raise AccordError(f"'{group}=' names no option; {nearest('', valid[group])}")
    if option not in valid[group]:
        raise AccordError(f"conf/{group} has no option '{option}'; {nearest(str(option), valid[group])}")


def _assignment(word: str) -> tuple[str, Any]:
    name, equals, value = word.partition("=")
    name = name.lstrip("+")
    if not equals or not name:
        raise AccordError(
            f"'{word}' is not understood; expected group=option or key=value, such as model=linear or model.C=0.1"
        )
    return name, _parse(value, f"'{word}'") if value else UNSET


def _parse(text: str, where: str) -> Any:
    try:
        return YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        raise AccordError(f"{where} is not valid YAML: {' '.join(str(error).split())}") from error
    except ValueError as error:  # what looks like a date or a number to YAML, and is none
        raise AccordError(
            f"{where}: {error}; expected a value that exists, such as 2024-02-29, or text in quotes"
        ) from error


def _nested(keys: Sequence[str], value: Any) -> dict[str, Any]:
    return {keys[0]: _nested(keys[1:], value) if len(keys) > 1 else value}


def _merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Merges dictionaries key by key, while any other value takes the place of what was there.

    Not OmegaConf.merge: it would look up a reference such as `${data.targets}` among the overrides, when another override
    is put into it, though the reference is to the whole config.
    """
    merged = dict(under)
    for key, value in over.items():
        both = isinstance(merged.get(key), Mapping) and isinstance(value, Mapping)
        merged[key] = _merge(merged[key], value) if both else value
    return merged


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values with dates as text, since DVC can't read dates from params.yaml."""

    def plain(value: Any) -> Any:
        if isinstance(value, Mapping):
            return _plain(value)
        return value.isoformat() if isinstance(value, date) else value

    return {str(key): plain(value) for key, value in values.items()}
