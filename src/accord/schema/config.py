"""The config as a whole: one field a section."""

from typing import Annotated, Any

from pydantic import Field, StringConstraints

from accord.schema.data import Data
from accord.schema.loop import Monitoring, Retraining
from accord.schema.objective import Objective
from accord.schema.section import Name, Section
from accord.schema.serving import Serving


class Features(Section):
    """Which columns the models see, and how categories become numbers."""

    drop: list[Name]
    """Features left out by name."""
    rare_level_rows: int | None = Field(ge=1)
    """A level seen less often than this in training counts as unseen; such rows share one level. None: as the split decides,
    see accord.features.transform."""


class Engine(Section):
    """Where the work runs, and in how much memory. No result depends on it, so that no stage runs again when it changes."""

    workers: int = Field(ge=1)
    """Models trained at once, each on one thread, which wastes no core. Where memory doesn't hold as many, they are trained one after
    another, each on all cores if it has many rows."""
    memory: Annotated[str, StringConstraints(pattern=r"^\d+(\.\d+)?\s*[MGT]B$")] | None
    """What a stage may take, such as 6GB. None: half of what the machine, or its cgroup, has."""
    chunk_rows: int | None = Field(ge=1)
    """Rows in memory at once. None: as many as `memory` allows."""
    scratch: str
    """A folder, relative to the project's, for what doesn't fit into memory."""


class Evaluation(Section):
    n_resamples: int = Field(ge=50)
    """Bootstrap resamples behind each comparison of two models."""
    level: float = Field(gt=0.5, lt=1)
    """Coverage of each interval."""
    min_slice_rows: int = Field(ge=1)
    """Smaller slices are counted but not scored."""
    n_explained: int = Field(ge=1)
    """Rows whose contributions make up the importance."""


class Config(Section):
    """All that a run is made of: conf/ as params.yaml selects from it."""

    seed: int = Field(ge=0)
    data: Data
    features: Features
    model: dict[str, Any]
    """`_target_` names the class; the rest are its parameters, checked by the class itself."""
    objective: Objective
    engine: Engine
    evaluation: Evaluation
    serving: Serving
    retraining: Retraining
    monitoring: Monitoring
