"""Composes the selection and conf/ into one validated config, which stage compose writes as conf.lock.yaml."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import yaml
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationKeyError, OmegaConfBaseException
from pydantic import BaseModel, ValidationError

from accord.config.check import check_expressions, check_model
from accord.config.fitting import refuse_unreadable, with_options, without_misfits
from accord.config.selection import Selection, options, read, shipped, with_words, write
from accord.errors import AccordError, nearest
from accord.models import loading
from accord.paths import Paths
from accord.schema.config import Config
from accord.schema.data import Data
from accord.schema.objective import Objective, Target
from accord.schema.section import Section
from accord.tasks import registry

BASE = "_base.yaml"
"""The file of conf/ that holds what every data set and objective begins with."""
BASED: dict[str, type[Section]] = {"data": Data, "objective": Objective}
EACH = "*"
P = ParamSpec("P")
T = TypeVar("T")


def composed(selection: Selection, conf: Path) -> dict[str, Any]:
    """The config as plain values with every value spelled out.

    `${oc.env:...}` stays a reference, since the result is committed. Raises AccordError for anything that
    doesn't fit the schema, the model's own parameters, or the data's columns.
    """
    try:
        config = with_options(selection.groups, conf)
        OmegaConf.set_struct(config, False)
        values = _on_bases(_resolved(OmegaConf.merge(config, selection.overrides)), conf)
    except InterpolationKeyError as error:
        raise AccordError(_unfitting(error, selection, conf)) from error
    except (HydraException, OmegaConfBaseException) as error:
        refuse_unreadable(conf)
        raise AccordError(f"{conf}: {_first_lines(error)}") from error
    try:
        typed = Config.model_validate(values)
    except ValidationError as error:
        raise AccordError(_explained(error, values, selection, conf)) from error
    typed = _with_what_tasks_say(typed)
    check_expressions(typed)
    plain = typed.model_dump(mode="json")
    plain["model"] = loading.checked_params(typed.model)
    check_model(typed)
    return plain


def _with_what_tasks_say(config: Config) -> Config:
    """The config with each target's loss, and the better side of metrics that only their target's task knows."""
    data = config.data.model_copy(update={"targets": _with_losses(config.data.targets, "data")})
    targets = _with_losses(config.objective.targets, "objective")
    known = {metric.name: metric for one in registry.all_of(targets).values() for metric in one.task.metrics}
    metrics = {
        name: metric.model_copy(update={"better": known[metric.builtin].better})
        if metric.builtin in known
        and known[metric.builtin] is not registry.METRICS.get(metric.builtin)
        and not (metric.better or metric.group)
        else metric
        for name, metric in config.objective.metrics.items()
    }
    objective = config.objective.model_copy(update={"targets": targets, "metrics": metrics})
    return config.model_copy(update={"data": data, "objective": objective})


def _with_losses(targets: Mapping[str, Target], section: str) -> dict[str, Target]:
    found = {}
    for name, target in targets.items():
        where = f"{section}.targets.{name}"
        _at(f"{where}.task", registry.task, target.task)
        _at(f"{where}.classes", registry.task_of, target)
        loss = _at(f"{where}.loss", registry.predicted, name, target).loss
        found[name] = target.model_copy(update={"loss": loss.name})
    return found


def _at(where: str, call: Callable[P, T], *given: P.args, **named: P.kwargs) -> T:
    """What the call gives; an error says where it comes from."""
    try:
        return call(*given, **named)
    except AccordError as error:
        raise AccordError(f"{where}: {error}") from error


def fitted(selection: Selection, conf: Path) -> tuple[Selection, dict[str, Any]]:
    """The selection and its config; if it is refused with overrides of another option, then without those."""
    try:
        return selection, composed(selection, conf)
    except AccordError as error:
        try:
            fitting = without_misfits(selection, conf)
        except HydraException:  # of an option that can't be read, which the error is about
            raise error from None
        if fitting.overrides == selection.overrides:
            raise
        try:
            return fitting, composed(fitting, conf)
        except AccordError:
            raise error from None


def select(words: Sequence[str], paths: Paths, reset: bool = False) -> list[str]:
    """Puts the words into params.yaml, if the whole config is valid with them. With `reset` they change what
    conf/config.yaml lists instead of what was selected. Returns notes for the user."""
    before = read(paths)
    start = shipped(before, paths.conf) if reset else before
    changed = with_words(start, words, paths.conf)
    changed.notes = [*start.notes, *changed.notes]
    chosen, _ = fitted(changed, paths.conf)
    write(chosen, paths.params)
    return list(chosen.notes)


def _resolved(config: Any) -> dict[str, Any]:
    """The config with its interpolations resolved, except for references to the environment, direct or through another key."""
    environment = "oc.env"
    OmegaConf.register_new_resolver(
        environment, lambda *words: "${oc.env:" + ",".join(str(word) for word in words) + "}", replace=True
    )
    try:
        assert isinstance(config, DictConfig)
        # Not OmegaConf.resolve, which would take text with an escaped reference for one, where another key refers to it.
        values = OmegaConf.to_container(config, resolve=True)
    finally:
        from omegaconf.resolvers import oc

        OmegaConf.register_new_resolver(environment, oc.env, replace=True)
    assert isinstance(values, dict)
    return {str(key): value for key, value in values.items()}


def _on_bases(values: dict[str, Any], conf: Path) -> dict[str, Any]:
    """Completes the sections that users write, data and objective, with what conf/_base.yaml has for them.

    Hydra's defaults list can't do this: it has no values for each column whatever its name, and no values that apply only if
    the data set has a `time`. And a file that forgot to list the base would lack these values.
    """
    begun = bases(conf)
    return {**values, **{name: on_base(kind, begun[name], values[name]) for name, kind in BASED.items()}}


def bases(conf: Path) -> Mapping[str, Any]:
    """What conf/_base.yaml has for data sets and objectives. Raises AccordError if it can't be read."""
    file = conf / BASE
    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise AccordError(
            f"{file} is missing, on which data and objective rest; git checkout {file}"
        ) from error
    except (yaml.YAMLError, ValueError) as error:
        raise AccordError(f"{file} is not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(found, Mapping) or found.keys() != BASED.keys():
        raise AccordError(f"{file}: expected the sections {' and '.join(BASED)}, and no others")
    return found


def on_base(kind: type[Section], base: Mapping[str, Any], given: Any) -> Any:
    """A section's given values, completed from its base. An optional section inside, such as `time`, stays missing if it
    isn't given. A star in the base stands for each name."""
    if not isinstance(given, Mapping):
        return given
    owed = {
        name: value
        for name, value in base.items()
        if name in given or not (_is_for_each(value) or _may_be_missing(kind, name))
    }
    return _over(owed, given)


def _over(base: Any, given: Any) -> Any:
    if not isinstance(base, Mapping) or not isinstance(given, Mapping):
        return given
    if _is_for_each(base):
        return {name: _over(base[EACH], value) for name, value in given.items()}
    return {**base, **{name: _over(base.get(name), value) for name, value in given.items()}}


def _may_be_missing(kind: type[Section], name: str) -> bool:
    """Whether the key is optional. An unknown key is not: the schema will refuse it."""
    return name in kind.model_fields and not kind.model_fields[name].is_required()


def _is_for_each(base: Any) -> bool:
    return isinstance(base, Mapping) and EACH in base


def _unfitting(error: InterpolationKeyError, selection: Selection, conf: Path) -> str:
    """The error for an option that refers to a key that another option lacks, such as an objective to a target."""
    match = re.search(r"'(.+)'", str(error))
    missing = match[1] if match else "a key"
    group = missing.split(".")[0]
    texts = {
        name: (conf / name / f"{option}.yaml").read_text(encoding="utf-8")
        for name, option in selection.groups.items()
    }
    asking = [name for name, text in texts.items() if f"${{{missing}}}" in text]
    chosen = " and ".join(
        f"{name}={selection.groups[name]}" for name in [*asking, group] if name in selection.groups
    )
    hint = f"; {asking[0]} {nearest('', options(conf)[asking[0]])}" if asking else ""
    return f"{chosen} don't fit together: conf refers to {missing}, which is not there{hint}"


def _explained(error: ValidationError, values: Mapping[str, Any], selection: Selection, conf: Path) -> str:
    """The first error in one line: the key, what was found, what was expected."""
    faults = error.errors()
    fault = faults[0]
    path = [str(part) for part in fault["loc"]]
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    source = (
        f"conf/{path[0]}/{selection.groups[path[0]]}.yaml{f', conf/{BASE}' if path[0] in BASED else ''} or params.yaml"
        if path[0] in selection.groups
        else "conf/config.yaml or params.yaml"
    )
    if fault["type"] == "extra_forbidden":
        where = ".".join(path[:-1]) or "the config"
        return f"{'.'.join(path)}: unknown key in {source}; {where} knows no '{path[-1]}': {nearest(path[-1], _keys_at(path[:-1]))}{more}"
    if fault["type"] == "missing" and (known := _siblings(path, selection, conf)):
        return f"{'.'.join(path[:-1])}: {source} has no '{path[-2]}' to override; {nearest(path[-2], known)}. A new one needs {path[-1]}{more}"
    if fault["type"] == "missing":
        return f"{'.'.join(path)} is missing in {source}; add it{_or_inherit(path[0], selection, conf)}{more}"
    return f"{'.'.join(path)}: found {fault['input']!r} in {source}; {fault['msg']}{more}"


def _siblings(path: Sequence[str], selection: Selection, conf: Path) -> list[str]:
    """The names beside an entry of a dictionary, such as a metric, that stands in the overrides alone; else none."""
    shipped: Any = OmegaConf.to_container(with_options(selection.groups, conf), resolve=False)
    overrides: Any = selection.overrides
    for key in path[:-2]:
        shipped = shipped.get(key) if isinstance(shipped, Mapping) else None
        overrides = overrides.get(key) if isinstance(overrides, Mapping) else None
    if len(path) < 3 or not isinstance(shipped, Mapping) or not isinstance(overrides, Mapping):
        return []
    return [] if path[-2] in shipped or path[-2] not in overrides else list(shipped)


def _or_inherit(group: str, selection: Selection, conf: Path) -> str:
    """Advice on inheriting missing keys, for a group that has an option to inherit from; else nothing."""
    shared = "default" in options(conf).get(group, ()) and selection.groups[group] != "default"
    return ", or begin with `defaults: [default, _self_]`" if shared else ""


def _keys_at(path: list[str]) -> list[str]:
    """The valid keys of the section at a path, as the schema has them."""
    section: Any = Config
    for part in path:
        if isinstance(section, type) and issubclass(section, BaseModel):
            section = section.model_fields[part].annotation if part in section.model_fields else None
        elif getattr(section, "__args__", None):
            section = section.__args__[-1]  # dict[Name, Section]
        arguments = [
            a for a in getattr(section, "__args__", ()) if isinstance(a, type) and issubclass(a, BaseModel)
        ]
        if arguments and not hasattr(section, "model_fields") and type(None) in section.__args__:
            section = arguments[0]  # Section | None
    return list(section.model_fields) if isinstance(section, type) and issubclass(section, BaseModel) else []


def _first_lines(error: Exception) -> str:
    return " ".join(" ".join(str(error).split("\nfull_key")[0].split()).split(" See https")[0].split())
