"""When things happen to a row: the event, the moment of the decision, and what is known only afterwards."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import polars as pl

from accord.data.infer.facts import Facts
from accord.data.infer.guess import Guess
from accord.data.infer.hints import says

BIRTHS = {
    "birth", "birthday", "birthdate", "dob", "born", "date of birth", "geburt", "geburtstag", "geburtsdatum", "geboren", "geb datum", "geb", "gebdat", "naissance",
    "nacimiento", "nascita", "nascimento", "geboorte", "geboortedatum", "urodzenia", "foedselsdato", "fodselsdato",
}  # fmt: skip
EARLY = {
    "booked", "booking", "ordered", "order", "created", "creation", "applied", "application", "requested", "request", "registered",
    "signup", "signed up", "opened", "submitted", "purchased", "purchase", "issued", "issue", "quoted", "scheduled day", "received",
    "decided", "reserved",
}  # fmt: skip
LATE = {
    "closed", "close", "resolved", "resolution", "delivered", "completed", "completion", "finished", "finish", "end", "ended", "updated",
    "modified", "last modified", "cancelled", "canceled", "paid", "payment", "returned", "refunded", "settled", "settlement", "discharged",
    "discharge", "dropoff", "status", "death", "died", "churned", "outcome", "exit", "left", "terminated", "termination",
}  # fmt: skip
OUTCOMES = LATE | {
    "result", "results", "verdict", "decision result", "final", "actual", "response time", "resolution time", "reason left",
    "closing", "recovered", "recoveries", "chargeback", "loss amount", "settlement amount",
}  # fmt: skip
LEADS = {"lead time", "lead days", "leadtime", "days in advance", "days before", "advance booking", "days ahead", "advance days", "days until"}  # fmt: skip
MIN_INSTANTS = 10
"""Different times from which rows can be split by them."""
IN_ORDER = 0.99
"""Share of the rows in which a time lies before another, from which it counts as before it; the others are errors."""
MOST_DELAYS = 0.95
"""Share of the outcomes that are known within the label delay."""
YEARS = {"year", "yr", "jahr", "annee", "ano", "anno", "jaar"}
MONTHS = {"month", "monat", "mois", "mes", "mese", "maand", "mnth"}
DAYS = {"day", "tag", "jour", "dia", "giorno", "dag", "day of month", "mday"}
MONTH_NAMES = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
]


@dataclass(frozen=True)
class Times:
    event: str | None = None
    data_set: tuple[Guess, ...] = ()
    """Guesses about `time`."""
    roles: Mapping[str, Guess] = field(default_factory=dict)
    """Of the columns that only come later, or are times, by name."""
    notes: tuple[str, ...] = ()


def is_birth(facts: Facts) -> bool:
    return says(facts.source, BIRTHS) is not None


def times(columns: Sequence[Facts], given: str | None) -> Times:
    """What the columns tell of when; `given` is the column of the event, if the user names it."""
    instants = {facts.name: facts for facts in columns if facts.is_instant and not is_birth(facts)}
    chosen = (given, "given as --time") if given in instants else _event(list(instants.values()))
    day = _day_in_pieces(columns)
    if chosen is None or (chosen[0] != given and day and says(instants[chosen[0]].source, LATE)):
        return _without_event(columns, instants, day)
    event, reason = chosen
    moment = instants.pop(event)
    early = _decision(moment, list(instants.values()))
    if early is not None:
        instants.pop(early.value)
    after = {name: guess for name, one in instants.items() if (guess := _after(moment, one)) is not None}
    found = [
        Guess("time.event", event, reason, "--time COLUMN, or no `time` for rows without order"),
        *([early] if early else []),
        _delay(moment, [instants[name] for name in after]),
    ]
    why = "the time of the event; a model would only learn that it passes"
    roles = {event: Guess("role", "info", why, "role: feature")}
    if early is not None:
        roles[early.value] = Guess("role", "info", "the time of the decision", "role: feature")
    notes = [] if early else _leads(columns, moment.source, quoted(moment.source))
    return Times(event, tuple(found), {**after, **roles}, tuple(notes))


def _without_event(columns: Sequence[Facts], instants: Mapping[str, Facts], day: str | None) -> Times:
    """What there is to say where no column is the time of the event."""
    late = {
        name: Guess(
            "role", "info", f"a time that is named like something known later ({word})", "role: feature"
        )
        for name, facts in instants.items()
        if (word := says(facts.source, LATE)) is not None
    }
    notes = []
    if day is not None:
        notes.append(
            f"a day stands in pieces; with `joins: SELECT *, {day} AS happened_at FROM ...` happened_at can be time.event, and rows are split by time"
        )
        notes += _leads(columns, "that day", day)
    elif instants:
        notes.append(
            f"no time of the event: {_listed(instants)} miss values, or have less than {MIN_INSTANTS}"
        )
    return Times(roles=late, notes=tuple(notes))


def _leads(columns: Sequence[Facts], event: str, sql: str) -> list[str]:
    """What to say of columns that seem to hold the days from the decision to the event, which `sql` computes."""
    return [
        f"{facts.source} may be the days from the decision to {event}; with `joins: SELECT *, {sql} - {quoted(facts.source)} * INTERVAL '1 day' "
        "AS decided_at FROM ...` decided_at can be time.decision"
        for facts in columns
        if facts.is_number and says(facts.source, LEADS)
    ]


def quoted(column: str) -> str:
    """The name of a column as SQL has it."""
    return '"' + column.replace('"', '""') + '"'


def _listed(names: Mapping[str, Facts]) -> str:
    return ", ".join(sorted(names))


def _event(instants: Sequence[Facts]) -> tuple[str, str] | None:
    """The time that a row is about: always known, and not named like something that comes later."""
    always = [facts for facts in instants if facts.missing_share == 0 and facts.n_distinct >= MIN_INSTANTS]
    able = [facts for facts in always if not says(facts.source, LATE)] or always
    if not able:
        return None
    if len(able) == 1:
        return able[0].name, "the only time that every row has" if len(
            instants
        ) == 1 else "the only time that every row has and that isn't named like something later"
    later = [facts for facts in able if not says(facts.source, EARLY)] or able
    best = min(later, key=lambda facts: (-facts.n_distinct, facts.name))
    others = ", ".join(sorted(facts.source for facts in able if facts is not best))
    return best.name, f"a time that every row has; {others} could be it too"


def _before(one: Facts, other: Facts) -> float:
    """The share of the rows with both times in which the first isn't after the second."""
    pairs = pl.DataFrame({"one": one.column.values, "other": other.column.values}).drop_nulls()
    return float((pairs["one"] <= pairs["other"]).mean() or 0.0) if pairs.height else 0.0  # type: ignore[arg-type]


def _decision(event: Facts, others: Sequence[Facts]) -> Guess | None:
    """The time at which the prediction is needed, if a column is named like one and lies before the event."""
    able = [
        facts
        for facts in others
        if facts.missing_share == 0 and says(facts.source, EARLY) and _before(facts, event) >= IN_ORDER
    ]
    if not able:
        return None
    best = min(able, key=lambda facts: (-_before(facts, event), facts.name))
    share = _before(best, event)
    return Guess(
        "time.decision",
        best.name,
        f"not after {event.source} in {share:.1%} of the rows, and named like when something begins",
        "no time.decision: the prediction is needed at the event",
    )


def _after(event: Facts, facts: Facts) -> Guess | None:
    """The role of a time that comes after the event, where its name or its missing values say that it is an outcome."""
    named = says(facts.source, LATE)
    after = _before(event, facts)
    if after < IN_ORDER or _before(facts, event) >= IN_ORDER:
        return None
    if named is None and facts.missing_share == 0:
        return None
    why = [f"not before {event.source} in {after:.1%} of the rows"]
    why += [f"named like something that ends ({named})"] if named else []
    why += [f"missing in {facts.missing_share:.0%}"] if facts.missing_share else []
    return Guess(
        "role",
        "outcome",
        "known only later: " + ", ".join(why),
        "role: feature, if it is a plan known in time",
    )


def _delay(event: Facts, later: Sequence[Facts]) -> Guess:
    """The time after which most outcomes are known."""
    if not later:
        return Guess(
            "time.label_delay",
            "0d",
            "no column tells when an outcome is known",
            "time.label_delay: 7d, if that is after a week",
        )
    waits = []
    for facts in later:
        wait = (facts.column.values - event.column.values).drop_nulls().dt.total_seconds()
        waits.append((float(wait.quantile(MOST_DELAYS, "higher") or 0), facts))
    seconds, last = max(waits, key=lambda pair: (pair[0], pair[1].name))
    days = max(0, -int(-seconds // 86_400))
    return Guess(
        "time.label_delay",
        f"{days}d",
        f"{MOST_DELAYS:.0%} of {last.source} lie within {timedelta(seconds=int(seconds)).days + (seconds % 86_400 > 0)} days of {event.source}",
        "time.label_delay: another",
    )


def _day_in_pieces(columns: Sequence[Facts]) -> str | None:
    """The SQL of a day that stands in three columns."""
    year, month, day = (
        next(
            (f for f in sorted(columns, key=lambda f: (len(f.name), f.name)) if says(f.source, wanted)), None
        )
        for wanted in (YEARS, MONTHS, DAYS)
    )
    if year is None or month is None or day is None or not year.is_whole or not day.is_whole:
        return None
    parts = ", '-', ".join(quoted(facts.source) for facts in (year, month, day))
    form = "%Y-%m-%d" if month.is_number else "%Y-%B-%d" if _are_spelled_out(month) else "%Y-%b-%d"
    return f"strptime(concat({parts}), '{form}')"


def _are_spelled_out(month: Facts) -> bool:
    return any(len(value) > 4 for value in month.sample)
