"""From a raw file to a data set that is selected: read, guessed, composed, and only then written."""

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl

from accord.config import compose
from accord.data.casting import cast
from accord.data.infer import inference, raw_table
from accord.data.infer.guess import Guess, Inferred
from accord.data.infer.profiled import profiled
from accord.data.infer.ranges import rules
from accord.data.infer.recurring import recurring
from accord.data.infer.roles import Given, roles
from accord.data.infer.totals import totals
from accord.errors import AccordError, nearest
from accord.files import write_json, write_text
from accord.losses import Vector
from accord.onboarding import objective_text, promise_test, raw_file, shares, trial, written
from accord.onboarding.proposal import Member, Proposal, member
from accord.onboarding.written import in_yaml
from accord.paths import Paths
from accord.schema.data import LeakCheck, Reading, Time
from accord.schema.objective import Target
from accord.tasks import registry
from accord.tasks.task import Task

QUALITY = "quality"
"""The objective that fits every data set."""
SLACK = 2
"""How much longer than any so far a text may be that the service takes."""


@dataclass(frozen=True)
class Asked:
    """What was typed. Columns are called as in the table."""

    source: str
    target: str
    name: str | None = None
    time: str | None = None
    key: Sequence[str] = ()
    subject: str | None = None
    task: str | None = None
    positive: str | None = None
    written: Mapping[str, Any] = field(default_factory=dict)
    """How the table is written: keys of its source."""
    readings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """How columns are read."""
    roles: Mapping[str, str | None] = field(default_factory=dict)
    force: bool = False
    selects: bool = True


@dataclass(frozen=True)
class Onboarded:
    proposal: Proposal
    files: tuple[Path, ...]
    """What was written, beside params.yaml."""
    next_step: str
    notes: tuple[str, ...]


def onboard(asked: Asked, paths: Paths) -> Onboarded:
    """The data set, written and selected. Raises AccordError, with nothing written, where the table or the words don't fit."""
    name = called(asked.source, asked.name)
    name = name if asked.name else _free(name, paths.conf)
    raw = raw_file.located(asked.source, name, paths)
    proposal = proposed(asked, name, raw, paths)
    objective = name if proposal.objective else QUALITY
    texts = {paths.conf / f"data/{name}.yaml": written.text(proposal)}
    if proposal.objective:
        texts[paths.conf / f"objective/{name}.yaml"] = proposal.objective
    texts[paths.root / f"tests/data_sets/test_{name}.py"] = promise_test.text(proposal, objective)
    if not asked.force:
        _refuse_overwriting(texts, raw, name)
    words = [f"data={name}", f"objective={objective}"]
    max_text = trial.compose_with(texts, words, paths)["serving"]["max_text"]
    long = []
    if proposal.longest > max_text:
        words.append(f"serving.max_text={SLACK * proposal.longest}")
        long = [
            f"texts have up to {proposal.longest:,} characters, and requests up to {max_text:,} in a text; with {words[-1]} the service takes them"
        ]
    raw.copy()
    for path, text in texts.items():
        write_text(path, text)
    write_json(paths.profile, proposal.profile)
    notes = compose.select(words, paths) if asked.selects else []
    remark = raw.remark()
    step = (
        f"Selected {' '.join(words)}; go on: accord run"
        if asked.selects
        else f"Go on: accord run {' '.join(words)}"
    )
    return Onboarded(proposal, tuple(texts), step, (*([remark] if remark else []), *long, *notes))


def proposed(asked: Asked, name: str, raw: raw_file.Raw, paths: Paths) -> Proposal:
    """What the table's rows say. Nothing is written."""
    table = raw_table.read(raw.found, paths.root, asked.written)
    _are_columns(asked, table.names)
    columns = inference.columns(table, asked.readings)
    named = {column.source: column.name for column in columns}
    by_name = {column.name: column for column in columns}
    unread = [
        f"{source} is left out: no type of the contract holds {kind}"
        for source, kind in inference.unread(table).items()
    ]
    wanted = _called(asked.target, named, "--target")
    _refuse_unread(columns, asked)
    _refuse_open(columns)
    _refuse_totals(columns, asked.source)
    if asked.time is not None:
        _refuse_timeless(asked.time, by_name[_called(asked.time, named, "--time")])
    if len(columns) == 1:
        raise AccordError(
            f"{asked.source} has no column but {asked.target}; expected others to predict it from"
        )
    check = LeakCheck.model_validate(compose.bases(paths.conf)["data"]["checks"]["leaks"])
    found = roles(columns, wanted, check, _given(asked, named, by_name[wanted]))
    members = tuple(member(column, found.columns.get(column.name, ())) for column in columns)
    _refuse_featureless(members, asked)
    data_set, split, lack = _split(found.data_set, by_name, wanted, asked)
    kept = [by_name[member.name] for member in members if not member.is_left_out]
    nulls = inference.source_nulls(columns)
    return Proposal(
        name,
        f"{table.n_rows:,} rows of {Path(asked.source).name}",
        {"path": raw.path, **table.written, **({"nulls": nulls} if table.is_text else {})},
        tuple(guess for guess in table.guesses if guess.key in {**table.written, **asked.written}),
        _with_values(members, data_set),
        (*data_set, *_recurring(data_set, by_name), *rules(kept), *split),
        (*unread, *found.notes, *([lack] if lack else [])),
        profiled(name, columns, found, wanted),
        _objective(name, data_set, by_name, wanted),
        max((_longest(column) for column in kept), default=0),
    )


def _recurring(found: Sequence[Guess], columns: Mapping[str, Inferred]) -> list[Guess]:
    event = next((guess.value for guess in found if guess.key == "time.event"), None)
    return [] if event is None else recurring(event, columns[event].values, columns)


def _longest(column: Inferred) -> int:
    """Characters of the column's longest text."""
    texts = column.values.drop_nulls()
    return int(texts.str.len_chars().max() or 0) if texts.dtype == pl.String else 0  # type: ignore[arg-type]


def _given(asked: Asked, named: Mapping[str, str], target: Inferred) -> Given:
    """What was said of roles, with columns called as in the contract."""
    positive = asked.positive
    if positive is not None and target.type != "category":  # yes of a column that is read as true and false
        keys = {key: value for key, value in target.keys.items() if key in Reading.model_fields}
        value = cast(pl.Series([positive]), Reading(**keys))[0][0]
        positive = (
            positive if value is None else f"{value:g}" if isinstance(value, float) else str(value).lower()
        )
    return Given(
        None if asked.time is None else _called(asked.time, named, "--time"),
        [_called(column, named, "--key") for column in asked.key],
        None if asked.subject is None else _called(asked.subject, named, "--subject"),
        asked.task,
        positive,
        {_called(column, named, "--role"): {"role": role} for column, role in asked.roles.items()},
    )


def _called(column: str, named: Mapping[str, str], option: str) -> str:
    """The column's name in the contract."""
    if column not in named:
        raise AccordError(
            f"{option} {column}: its values are of a type that none of the contract holds; write them otherwise"
        )
    return named[column]


def _refuse_unread(columns: Sequence[Inferred], asked: Asked) -> None:
    """Raises AccordError for a type that was given and that none of its column's values has."""
    for column in columns:
        n = len(column.values) - sum(column.missing.values())
        if column.source in asked.readings and n and column.values.null_count() == len(column.values):
            how = column.keys.get("format", column.type)
            raise AccordError(
                f"--type {column.source}: none of {n:,} values can be read as {how}; see how they are written, or leave it out"
            )


def _refuse_totals(columns: Sequence[Inferred], source: str) -> None:
    found = totals(columns)
    if found:
        raise AccordError(f"{source}: {found}; expected rows alone. Take that row out of the file")


def _refuse_featureless(members: Sequence[Member], asked: Asked) -> None:
    """Raises AccordError if nothing is left to predict from, with the reason of the first column."""
    others = [one for one in members if one.source != asked.target]
    if any(one.role == "feature" for one in others):
        return
    first = others[0]
    why = next((guess.reason for guess in first.guesses if guess.key == "role"), first.guesses[0].reason)
    more = f", and so on for {len(others) - 1} more" if len(others) > 1 else ""
    raise AccordError(
        f"{asked.source} has no column to predict {asked.target} from: {first.source} {why}{more}; expected a feature. Name one: --role "
        f"'{first.source}=feature'"
    )


def _refuse_open(columns: Sequence[Inferred]) -> None:
    """Raises AccordError for columns whose values allow several readings, with the word that chooses one."""
    said = []
    for column in columns:
        for guess in column.guesses:
            if guess.is_open:
                *_, option = shlex.split(guess.instead)
                forms = [form for form in option.rpartition("=")[2].split(", ") if "%" in form]
                ways = forms or [f"{column.type}:1,234.5", f"{column.type}:1.234,5"]
                words = " or ".join(f"--type {shlex.quote(f'{column.source}={way}')}" for way in ways)
                said.append(f"column '{column.source}': {guess.reason}; choose: {words}")
    if said:
        raise AccordError(said[0], said[1:])


def _refuse_timeless(asked: str, column: Inferred) -> None:
    """Raises AccordError for a column that doesn't have the time of each row."""
    if column.type != "datetime":
        example = column.values.drop_nulls().head(1).to_list()
        raise AccordError(
            f"--time {asked}: it was read as {column.type}, such as {example[0] if example else None!r}: {column.guesses[0].reason}; expected "
            f"instants. Say how they are written: --type '{asked}=%d.%m.%Y %H:%M'"
        )
    n, missing = len(column.values), column.values.null_count()
    if missing > 0.01 * n:
        raise AccordError(
            f"--time {asked}: {missing:,} of {n:,} rows have no time in it; expected one in each row. Leave those rows out of the file, or "
            "leave out --time"
        )


def _with_values(members: Sequence[Member], found: Sequence[Guess]) -> tuple[Member, ...]:
    """The columns, of which the times of rows and those of the key must have a value."""
    known = {guess.key: guess.value for guess in found}
    needed = {known.get("time.event"), known.get("time.decision"), *known.get("key", [])}
    return tuple(
        replace(one, keys={key: value for key, value in one.keys.items() if key != "nullable"})
        if one.name in needed
        else one
        for one in members
    )


def _split(
    found: Sequence[Guess], columns: Mapping[str, Inferred], wanted: str, asked: Asked
) -> tuple[list[Guess], list[Guess], str | None]:
    """The guesses about the data set, the split of rows, and what is wrong with that, if anything. A time that nobody asked for is left
    out if no split by it gives each side what it needs."""
    known = {guess.key: guess.value for guess in found}
    event = known.get("time.event")
    split, lack = _dealt(known, columns, wanted, event)
    if event is None and not split:
        raise AccordError(
            f"the rows can't be split: {lack}; expected some on each side. It takes more rows, or another key"
        )
    if not lack or event is None:
        return [*found], split, lack
    timeless, other = _dealt(known, columns, wanted, None)
    if not split and (asked.time or not timeless):
        raise AccordError(
            f"{'--time' if asked.time else 'The time'} {event}: the rows can't be split by it: {lack}"
        )
    if asked.time or (other and split):
        return [*found], split, lack
    why = f"{event} is no time of the data set, since no split by it would do: {lack}"
    return (
        [guess for guess in found if not guess.key.startswith("time.")],
        timeless,
        f"{why}. {other}" if other else why,
    )


def _dealt(
    known: Mapping[str, Any], columns: Mapping[str, Inferred], wanted: str, event: str | None
) -> tuple[list[Guess], str | None]:
    """The split of rows by the time of an event, or else by subject or key."""
    task, outcomes = _outcomes(known, columns, wanted)
    if event is not None:
        time = Time(
            event=event, label_delay=known.get("time.label_delay", "0d"), zone=known.get("time.zone", "UTC")
        )
        return shares.shares(outcomes, {event: columns[event].values}, time, task.fault)
    dealt_by = [known["subject"]] if "subject" in known else known.get("key", [])
    return shares.shares(outcomes, {name: columns[name].values for name in dealt_by}, None, task.fault)


def _outcomes(known: Mapping[str, Any], columns: Mapping[str, Inferred], wanted: str) -> tuple[Task, Vector]:
    """The target's task, and each row's outcome (n,)."""
    keys = {key.removeprefix(f"targets.{wanted}."): value for key, value in known.items()}
    target = Target(owner="", **{name: keys[name] for name in Target.model_fields if name in keys})
    task = registry.task_of(target)
    rows = pl.DataFrame({wanted: columns[wanted].values})
    return task, task.outcomes(rows, target.sql, f"targets.{wanted}.sql")


def _objective(name: str, found: Sequence[Guess], columns: Mapping[str, Inferred], wanted: str) -> str | None:
    known = {guess.key: guess.value for guess in found}
    return objective_text.text(name, *_outcomes(known, columns, wanted), known.get("groups", ()))


def called(source: str, name: str | None) -> str:
    """The data set's name: as given, or made of the file's."""
    if name is not None:
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) or in_yaml(name) != name:
            raise AccordError(
                f"--name {name}: expected letters, digits and underscores, a letter first, and no word that YAML reads as a value, such as rides"
            )
        return name
    *folders, file = re.split(r"[/\\]", source.rstrip("/"))
    words = [re.findall(r"[a-z0-9]+", part.partition(".")[0].lower()) for part in (file, *folders[-1:])]
    found = "_".join(next(filter(None, words), ()))
    if not found:
        raise AccordError(f"{source} gives no name to call the data set by; give one: --name rides")
    return found if found[0].isalpha() and in_yaml(found) == found else f"data_{found}"


def _free(name: str, conf: Path) -> str:
    """The name, with a number behind it where a data set has it that was not onboarded."""
    numbered = [name, *(f"{name}_{i}" for i in range(2, 100))]
    return next((one for one in numbered if _may_be_called(one, conf)), name)


def _may_be_called(name: str, conf: Path) -> bool:
    """Whether no data set has the name, or one that was onboarded."""
    path = conf / f"data/{name}.yaml"
    return not path.exists() or path.read_text(encoding="utf-8").startswith(written.HEAD)


def _are_columns(asked: Asked, columns: Sequence[str]) -> None:
    words: dict[str, Iterable[str | None]] = {
        "--target": [asked.target],
        "--time": [asked.time],
        "--key": asked.key,
        "--subject": [asked.subject],
        "--type": asked.readings,
        "--role": asked.roles,
    }
    for option, names in words.items():
        for name in names:
            if name is not None and name not in columns:
                raise AccordError(
                    f"{option} {name}: {asked.source} has no such column; {nearest(name, columns)}"
                )


def _refuse_overwriting(texts: Mapping[Path, str], raw: raw_file.Raw, name: str) -> None:
    there = [
        path for path, text in texts.items() if path.exists() and path.read_text(encoding="utf-8") != text
    ]
    there += raw.in_the_way()
    if there:
        raise AccordError(
            f"{', '.join(map(str, there))}: there already, and not as it would be written; give another --name than {name}, see what has "
            "changed by --update, or overwrite by --force"
        )
