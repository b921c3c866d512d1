"""From the name of a task, as a target has it, to the object: a task of accord's own by name, another by its path."""

from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from typing import Protocol

from msgspec import UnsetType

from accord.errors import AccordError, nearest
from accord.losses import Loss
from accord.measures.metrics import Metric
from accord.schema.objective import Target
from accord.tasks.binary import BINARY
from accord.tasks.multiclass import MULTICLASS
from accord.tasks.regression import REGRESSION
from accord.tasks.task import Predicted, Task

OWN = {"binary": BINARY, "regression": REGRESSION, "multiclass": MULTICLASS}
METRICS: dict[str, Metric] = {}
"""The metrics of accord's own tasks by name; of those that share one, the first."""
for _metric in (metric for task in OWN.values() for metric in task.metrics):
    METRICS.setdefault(_metric.name, _metric)


@cache
def task(name: str) -> Task:
    """The task of accord's own of that name, or the object at that path, such as mytasks.LEVELS. Raises AccordError."""
    if name in OWN:
        return OWN[name]
    module, _, attribute = name.rpartition(".")
    if not module:
        raise AccordError(
            f"unknown task '{name}'; {nearest(name, OWN)}, or the path of one, as mytasks.LEVELS"
        )
    try:
        found = getattr(import_module(module), attribute, None)
    except (ImportError, ValueError) as error:
        raise AccordError(
            f"can't import the task '{name}': {error}; expected a module that is installed or in src, such as src/mytasks.py"
        ) from error
    if not isinstance(found, Task):
        raise AccordError(f"'{name}' is no accord.tasks.task.Task; expected one, such as mytasks.LEVELS")
    return found


class Asked(Protocol):
    """A target, as the config or a bundle's contract has it."""

    @property
    def task(self) -> str: ...

    @property
    def loss(self) -> str | None: ...

    @property
    def classes(self) -> Sequence[str] | UnsetType | None: ...


def task_of(target: Asked) -> Task:
    """The target's task, which may depend on its classes. Raises AccordError for a task that there isn't, and for classes that
    are missing or not wanted."""
    return _of_classes(target.task, tuple(target.classes or ()))


@cache
def _of_classes(name: str, classes: tuple[str, ...]) -> Task:
    found = task(name)
    if found.of_classes is None and classes:
        raise AccordError(f"a {name} target has no classes; leave them out, or make it task: multiclass")
    if found.of_classes is None:
        return found
    if not classes:
        raise AccordError(
            f"a {name} target needs classes; expected what the values of its sql may be, such as [low, middle, high]"
        )
    return found.of_classes(classes)


def predicted(name: str, target: Asked) -> Predicted:
    """The target of this name. Raises AccordError for a task that there isn't, or a loss that isn't the task's."""
    return Predicted(name, found := task_of(target), _loss(found, target.task, target.loss))


def all_of(targets: Mapping[str, Target]) -> dict[str, Predicted]:
    return {name: predicted(name, target) for name, target in targets.items()}


def columns_of(targets: Mapping[str, Target]) -> list[str]:
    """The columns of all targets' predictions."""
    return [column for one in all_of(targets).values() for column in one.columns]


def _loss(task: Task, name: str, loss: str | None) -> Loss:
    if loss is None:
        return task.losses[0]
    for one in task.losses:
        if one.name == loss:
            return one
    raise AccordError(
        f"loss {loss} does not fit a {name} target; {nearest(loss, [one.name for one in task.losses])}"
    )
