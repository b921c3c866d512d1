"""The interface of a model: what a request must bring and keep, and what it is answered with."""

from dataclasses import dataclass

from msgspec import UNSET, UnsetType

from accord.features.transform import Transform
from accord.objective.policy import inputs
from accord.schema.data import Column, Data
from accord.schema.objective import Objective
from accord.sql.rows import columns_of


@dataclass(frozen=True)
class Answered:
    """What is predicted of one target."""

    description: str
    loss: str | None
    owner: str
    task: str
    unit: str | None
    classes: list[str] | UnsetType = UNSET
    """What the outcome is one of, if the target's task needs to know; so that contracts without it stay as they are, it is left
    out of others."""


@dataclass(frozen=True)
class Contract:
    """contract.json"""

    columns: dict[str, Column]
    """The columns that a row brings."""
    context: dict[str, Column]
    """Columns that may come along: no prediction needs them, but the log keeps them."""
    outcomes: dict[str, Column]
    """Columns that are known later, and reported then."""
    key: list[str]
    """The columns that identify a row."""
    rules: dict[str, str]
    """Conditions that a row must keep, as SQL. A condition whose value is null is kept."""
    targets: dict[str, Answered]


def contract(data: Data, transform: Transform, objective: Objective) -> Contract:
    """The part of the data contract that a request must keep, and what it is answered with."""
    used = transform.inputs.keys() | inputs(objective.policy)
    brought = [name for name in data.columns if name in used]
    context = [
        name for name, column in data.columns.items() if column.role != "outcome" and name not in brought
    ]
    at_hand = {*brought, *context}
    return Contract(
        columns={name: data.columns[name] for name in brought},
        context={name: data.columns[name] for name in context},
        outcomes={name: column for name, column in data.columns.items() if column.role == "outcome"},
        key=data.key,
        rules={
            name: sql for name, sql in data.rules.items() if columns_of(sql, f"data.rules.{name}") <= at_hand
        },
        targets={
            name: Answered(t.description, t.loss, t.owner, t.task, t.unit, t.classes or UNSET)
            for name, t in objective.targets.items()
        },
    )
