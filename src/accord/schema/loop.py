"""The sections monitoring and retraining: how traffic is watched, and when the model is trained anew."""

from typing import Annotated, Literal

from pydantic import Field

from accord.schema.section import Duration, Section


class Retraining(Section):
    """When the model is trained anew, and on what. See docs/retraining.md."""

    when: Literal["never", "always", "schedule", "drift", "quality"]
    """always: as often as it is asked. schedule: when `every` is over. quality: when the monitoring finds the live
    quality lost. drift: when it finds drift and a loss of quality, estimated or live: seasons drift, and do no harm."""
    every: Duration
    """What schedule waits from the rows of one training to those of the next."""
    cooldown: Duration
    """The least time from the rows of one training to those of the next."""
    budget_cpu_s: float | None = Field(gt=0)
    """Processor seconds that training may take in a `budget_period`. None: no limit."""
    budget_period: Duration
    window: Literal["expanding"] | Duration
    """What train holds: all rows before tune, or the stretch of this length before it, which slides along."""


class Monitoring(Section):
    """How traffic is watched. See docs/monitoring.md."""

    window: Duration | Annotated[int, Field(ge=1)]
    """How far back `accord monitor` looks from the latest decision: a duration, or a number of rows."""
    min_rows: int = Field(ge=1)
    """With fewer rows, or fewer outcomes, nothing is judged."""
    level: float = Field(gt=0.5, lt=1)
    """Share of windows without any change that raise no alarm, of each kind of alarm."""
    max_report_rows: int = Field(ge=100)
    """Rows that Evidently gets of the window, and of the reference; the decision itself rests on all of them."""
    max_replayed: int = Field(ge=0)
    """Rows that are predicted again, to compare with the log."""
    webhook: str | None
    """An address that is told the outcome of each run by POST, best as a reference: `${oc.env:ACCORD_WEBHOOK}`. None: nobody is."""
