"""From the name of a task, as a target has it, to the object: a task of accord's own by name, another by its path."""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import Protocol

from accord.errors import AccordError, nearest
from accord.losses import Loss
from accord.schema.objective import Target
from accord.tasks.binary import BINARY
from accord.tasks.regression import REGRESSION
from accord.tasks.task import Predicted, Task

OWN = {"binary": BINARY, "regression": REGRESSION}
METRICS = {metric.name: metric for task in OWN.values() for metric in task.metrics}
"""The metrics of accord's own tasks by name."""


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


def predicted(name: str, target: Asked) -> Predicted:
    """The target of this name. Raises AccordError for a task that there isn't, or a loss that isn't the task's."""
    return Predicted(name, found := task(target.task), _loss(found, target.task, target.loss))


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
