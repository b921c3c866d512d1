"""The slice of the config that each stage reads: conf.lock/STAGE.yaml, with sections and versions of libraries.

A stage depends on its slice as on any other file, so a change anywhere else does not run it again. It loads nothing but its
slice, so reading a key that isn't declared here fails.
"""

from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from platform import python_version_tuple
from typing import Any

from accord.config import compose, selection
from accord.models import loading
from accord.paths import Paths
from accord.schema.config import Config
from accord.schema.data import READING

Values = Mapping[str, Any]

SECTIONS = {
    "ingest": "data.name,sources,rows,joins,partition,as_of,key,time data.columns.*.type,source,format,nulls,decimal,thousands,percent,currency,true_words,false_words",
    "validate": "data.name,key,subject,time,as_of,derived,rules,checks data.columns.*.type,role,min,max,values,nullable,source,format,nulls,decimal,thousands,percent,currency,true_words,false_words features objective.targets.*.task,sql,classes",
    "split": "data.name,key,subject,time,split,checks data.columns.*.role",
    "featurize": "data.derived,time data.columns.*.type,role features",
    "train": "seed data.time model objective.targets.*.task,sql,classes,loss,weight",
    "evaluate": "seed data.key,subject,time,columns,derived,rules,slices model objective.targets objective.policy.score,action evaluation monitoring.level",
    "decide": "seed data.key,subject,time,derived,slices,groups objective evaluation.level,min_slice_rows monitoring.level",
    "bundle": "seed data features model objective",
}  # fmt: skip
"""Commas separate keys of a section, and a star stands for all keys. Stage evaluate gets the policy's expressions without the
weights, since what it proves about them holds for any weights. The engine is in no slice, since no result depends on it; a stage
finds it beside its slice."""
ENGINE = "engine"
"""The name of the file with that section."""
LIBRARIES = {
    "ingest": ("polars",),
    "validate": ("dataframely", "numpy", "polars", "threadpoolctl"),
    "split": ("numpy", "polars", "threadpoolctl"),
    "featurize": ("numpy", "polars"),
    "train": ("lightgbm", "numpy", "polars", "scikit-learn", "scipy"),
    "evaluate": ("lightgbm", "numpy", "polars", "python", "scikit-learn", "scipy"),
    "decide": ("numpy", "polars"),
    "bundle": ("lightgbm", "numpy", "polars", "scikit-learn", "scipy"),
}
"""Libraries whose version may change a stage's output; for a stage that calculates in Python, Python's minor version too."""


def of(stage: str, values: Values) -> dict[str, Any]:
    """The stage's slice of the whole config."""
    cut: dict[str, Any] = {}
    for section in SECTIONS[stage].split():
        _merge(cut, _cut(values, section.split(".")))
    return {**cut, "libraries": _versions(stage, values)}


def all_of(values: Values) -> dict[str, dict[str, Any]]:
    """Each stage's slice, and the engine, by the name of its file."""
    return {**{stage: of(stage, values) for stage in SECTIONS}, ENGINE: {ENGINE: values[ENGINE]}}


def afresh(stage: str, words: Sequence[str], paths: Paths) -> Config:
    """The config of a stage that is run with words such as `model=linear`, whatever the lock says."""
    chosen = selection.with_words(selection.read(paths), words, paths.conf)
    cut = all_of(compose.fitted(chosen, paths.conf)[1])
    del cut[stage]["libraries"]
    return Config.partial(cut[stage] | cut[ENGINE])


def _versions(stage: str, values: Values) -> dict[str, str]:
    names = {*LIBRARIES[stage], *(_of_sources(values) if stage == "ingest" else ())}
    if "lightgbm" in names:  # a stage that trains or applies models
        names |= {*loading.model_class(values["model"]["_target_"]).libraries}
    python = ".".join(python_version_tuple()[:2])
    return {name: python if name == "python" else version(name) for name in sorted(names)}


def _of_sources(values: Values) -> set[str]:
    """The libraries that hold data sets. If one isn't installed, stage ingest will say so."""
    places = [source["path"].split("://") for source in values["data"]["sources"].values()]
    packages = {
        place[0] if place[0] == "sklearn" else place[1].split("/")[0] for place in places if place[1:]
    }
    return {name for package in packages for name in _libraries_of(package)}


def _libraries_of(package: str) -> Sequence[str]:
    try:
        version(package)
    except PackageNotFoundError:  # its library has another name, found by a look at all installed ones
        return packages_distributions().get(package, [])
    return [package]


def _cut(values: Any, path: Sequence[str]) -> Any:
    if not path or values is None:
        return values
    names = list(values) if path[0] == "*" else path[0].split(",")
    # The lock leaves out how a column is written, a target's classes, and what SQL looks at together, wherever the data set
    # doesn't say it.
    optional = (*READING, "classes", "partition")
    return {name: _cut(values[name], path[1:]) for name in names if name in values or name not in optional}


def _merge(into: dict[str, Any], more: Values) -> None:
    for name, value in more.items():
        if isinstance(value, dict) and isinstance(into.get(name), dict):
            _merge(into[name], value)
        else:
            into[name] = value
