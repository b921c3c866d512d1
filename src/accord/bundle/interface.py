"""The interface of a model: what a request must bring and keep, and what it is answered with."""

from typing import Any

from accord.features.transform import Transform
from accord.objective.policy import inputs
from accord.schema.data import Data
from accord.schema.objective import Objective
from accord.sql.rows import columns_of


def contract(data: Data, transform: Transform, objective: Objective) -> dict[str, Any]:
    """The part of the data contract that a request must keep, and what it is answered with."""
    used = transform.inputs.keys() | inputs(objective.policy)
    brought = [name for name in data.columns if name in used]
    context = [
        name for name, column in data.columns.items() if column.role != "outcome" and name not in brought
    ]
    at_hand = {*brought, *context}
    return {
        "columns": {name: data.columns[name].model_dump() for name in brought},
        "context": {name: data.columns[name].model_dump() for name in context},
        "outcomes": {
            n: column.model_dump() for n, column in data.columns.items() if column.role == "outcome"
        },
        "key": data.key,
        "rules": {
            name: sql for name, sql in data.rules.items() if columns_of(sql, f"data.rules.{name}") <= at_hand
        },
        "targets": {
            name: target.model_dump(include={"task", "loss", "owner", "unit", "description"})
            for name, target in objective.targets.items()
        },
    }
