"""The page of a table that was onboarded: what its columns hold, what was guessed of them, and which word changes a guess."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from accord.data.infer.profiled import Bin, ColumnProfile, Profile
from accord.page.charts import element
from accord.page.shell import environment
from accord.page.words import number

TEMPLATE = "profile.html.j2"
WIDTH, HEIGHT, GAP = 240, 56, 2
GROUPS = (
    ("outcome", "Outcomes", "Known only later: what is predicted, and what would give it away."),
    ("feature", "Features", "What the model learns from, those that tell most of the outcome first."),
    ("info", "Beside the features", "Kept for keys, times, slices and reports; no model sees them."),
    (None, "Left out", "Not in the contract; add a line to have them."),
)


@dataclass(frozen=True)
class Group:
    title: str
    description: str
    columns: Sequence[ColumnProfile]


def render(profile: Profile) -> str:
    """The page as HTML."""
    return environment(Path(__file__).parent).get_template(TEMPLATE).render(
        profile=profile,
        groups=_groups(profile),
        summary=_summary(profile),
        missing=_missing,
        chart=lambda column: _chart(column.bins, profile.outcome),
        related=lambda column: _related(column, profile.outcome),
    )  # fmt: skip


def _groups(profile: Profile) -> list[Group]:
    found = []
    for role, title, description in GROUPS:
        columns = [column for column in profile.columns if column.role == role]
        if role == "feature":
            columns.sort(key=lambda column: -(column.explained or 0))
        if columns:
            found.append(Group(title, description, columns))
    return found


def _summary(profile: Profile) -> list[str]:
    """What there is to know, in a few sentences."""
    known = {word.key: word for word in profile.guesses}
    columns = profile.columns
    features = [column for column in columns if column.role == "feature"]
    lines = [
        f"{profile.n_rows:,} rows, {len(columns):,} columns, of which a model learns from {len(features):,}."
    ]
    for key, word in known.items():
        if key.endswith(".task"):
            lines.append(f"The task is {word.value}: {word.reason}.")
    event, subject = known.get("time.event"), known.get("subject")
    if event is not None:
        lines.append(f"Rows are split by time, by {event.value}: {event.reason}.")
    elif subject is not None:
        lines.append(f"Rows are split by {subject.value}: {subject.reason}.")
    else:
        lines.append("Rows are split by chance: no column tells when they happened.")
    for said, chosen in (
        ("may identify a person", [column for column in columns if column.pii]),
        (
            "has no value in a tenth of the rows or more",
            [column for column in features if column.n_missing >= profile.n_rows / 10],
        ),
    ):
        if chosen:
            verb = said if len(chosen) == 1 else said.replace("has no", "have no")
            lines.append(f"{_listed([column.source for column in chosen])} {verb}.")
    return lines


def _listed(names: Sequence[str], most: int = 8) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _missing(column: ColumnProfile, n_rows: int) -> str:
    if not column.n_missing:
        return "none missing"
    words = ", ".join(
        f"{n:,} {'blank' if not word.strip() else word}"
        for word, n in sorted(column.missing.items(), key=lambda pair: -pair[1])[:4]
    )
    share = f"{column.n_missing:,} missing ({column.n_missing / n_rows:.1%})"
    return f"{share}: {words}" if words else share


def _related(column: ColumnProfile, outcome: str) -> str:
    """How the outcome goes with the column, in words."""
    known = [one for one in column.bins if one.outcome is not None]
    if column.explained is None or len(known) < 2:
        return ""
    low, high = (end(known, key=lambda one: one.outcome or 0.0) for end in (min, max))
    return (
        f"{outcome} from {number(low.outcome)} ({low.label}) to {number(high.outcome)} ({high.label}); "
        f"these bins explain {column.explained:.0%} of it"
    )


def _chart(bins: Sequence[Bin], outcome: str) -> Markup | None:
    """Bars for rows, and a dot for the mean outcome, of each bin."""
    if not bins:
        return None
    most = max(one.rows for one in bins) or 1
    known = [one.outcome for one in bins if one.outcome is not None]
    low, high = (min(known), max(known)) if known else (0.0, 0.0)
    step = WIDTH / len(bins)
    drawn = []
    for i, one in enumerate(bins):
        tall = HEIGHT * one.rows / most
        about = f"{one.label}: {one.rows:,} rows"
        marks = [element("rect", x=i * step, y=HEIGHT - tall, width=max(step - GAP, 1), height=tall)]
        if one.outcome is not None and high > low:
            at = 4 + (HEIGHT - 8) * (high - one.outcome) / (high - low)
            marks.append(element("circle", cx=(i + 0.5) * step - GAP / 2, cy=at, r=2.5))
            about += f", {outcome} {number(one.outcome)}"
        drawn.append(element("g", element("title", about), *marks))
    label = f"rows and {outcome} by bin"
    return element(
        "svg", *drawn, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=label, class_="spread"
    )
