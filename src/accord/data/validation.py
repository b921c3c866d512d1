"""What stage validate finds: the contract's verdict a row, and leak suspects among the features."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import takewhile
from pathlib import Path

import polars as pl

from accord.data import contract, keys, leaks, partitions, suspicion
from accord.data.validated import Validated
from accord.errors import AccordError
from accord.files import replacing, write_json
from accord.paths import Paths
from accord.schema.config import Features
from accord.schema.data import Data
from accord.schema.objective import Target
from accord.sql.rows import NotComputedError, errors_after
from accord.tasks.registry import task_of

REPORT = "reports/validation.json"


@dataclass(frozen=True)
class Apart:
    """What came of the rows when those that break the contract were put aside."""

    n_rows: int
    n_valid: int
    broken: dict[str, int]
    """How many rows break each rule."""
    checked: contract.Checked
    """All rows, if `is_whole`; else what the last chunk has in quarantine."""
    is_whole: bool

    @property
    def n_quarantined(self) -> int:
        return self.n_rows - self.n_valid


def validate(
    data: Data, features: Features, targets: Mapping[str, Target], paths: Paths, most: int, scratch: Path
) -> Validated:
    """Writes the valid rows, the quarantine and the report of both, with at most so many rows in memory at once. Raises AccordError
    if the data as a whole are refused; then no valid row is written."""
    with replacing(paths.valid) as valid:
        with replacing(paths.quarantine) as quarantine:
            apart = _apart(_chunks(paths.rows, data, most, scratch), data, targets, valid, quarantine)
            rows = apart.checked.valid if apart.is_whole else None
            found = suspicion.look(rows, valid, apart.n_valid, data, features, targets, most)
            failure = _too_many_broken(apart, data, quarantine)
        report = Validated(
            apart.n_rows,
            apart.n_valid,
            apart.n_quarantined,
            apart.broken,
            found.suspects,
            found.n_looked_at,
        )
        write_json(paths.validation, {key: value for key, value in vars(report).items() if value is not None})
        leak = leaks.refusal(report.leaks, data.name, data.checks.leaks, REPORT)
        if failure or leak:
            raise failure or AccordError(str(leak))
    return report


def summary(report: Validated) -> str:
    some = f"; leaks looked for in {report.n_looked_at:,} rows" if report.n_looked_at else ""
    warning = leaks.warning(report.leaks, REPORT)
    return f"{report.n_valid:,} rows valid, {report.n_quarantined:,} in quarantine{some}{warning}"


Chunk = tuple[pl.DataFrame, pl.Series | None]
"""Rows (n), and whether a row's key is in other chunks too, (n,), if there are others."""


def _chunks(rows: Path, data: Data, most: int, scratch: Path) -> Iterator[Chunk]:
    n_rows, first = partitions.n_rows(rows), data.time.event if data.time else None
    key = sorted((name for name in data.key if name in data.columns), key=lambda name: name != first)
    if n_rows <= most or not key:
        yield from ((chunk, None) for chunk in partitions.chunks(rows, most))
        return
    read = partial(partitions.chunks, rows, most)
    found = keys.elsewhere(read, data.columns, key, n_rows, most, scratch)
    n_before = 0
    for chunk in partitions.chunks(rows, most):
        yield chunk, pl.Series(found[n_before : n_before + chunk.height])
        n_before += chunk.height


def _apart(
    chunks: Iterable[Chunk], data: Data, targets: Mapping[str, Target], valid: Path, quarantine: Path
) -> Apart:
    """Writes the rows that keep the contract to the one folder, those that don't to the other. Raises NotComputedError for the first of
    the rules that can't be computed for a row, whichever chunk that is in."""
    rules, failure = {**data.rules, **_of_outcomes(targets)}, None
    valid.mkdir()
    quarantine.mkdir()
    into, aside = partitions.Writing(valid, data.time), partitions.Writing(quarantine, None)
    n_chunks = n_rows = n_valid = 0
    broken = Counter[str]()
    for rows, elsewhere in chunks:
        try:
            with errors_after(n_rows):
                checked = contract.check(rows, data.columns, data.key, rules, data.time, elsewhere)
        except NotComputedError as error:
            failure, rules = error, _before(error, rules)
        n_rows += rows.height
        if failure:
            continue
        n_chunks += 1
        n_valid += checked.valid.height
        broken.update(checked.broken)
        into.add(checked.valid)
        aside.add(checked.quarantine)
    if failure:
        raise failure
    into.end()
    aside.end()
    if aside.n_partitions == 1:
        [file] = partitions.files(quarantine)
        file.rename(quarantine / "rows.parquet")
    if n_chunks > 1:
        checked = replace(checked, valid=checked.valid.clear())
    return Apart(n_rows, n_valid, dict(sorted(broken.items())), checked, n_chunks == 1)


def _too_many_broken(apart: Apart, data: Data, quarantine: Path) -> AccordError | None:
    share, limit = apart.n_quarantined / apart.n_rows, data.checks.max_quarantined_share
    if share <= limit and apart.n_valid:
        return None
    shown = _shown(apart, quarantine)
    (worst, mend), *others = contract.in_words(shown, data.columns, data.key)
    return AccordError(
        f"{apart.n_quarantined:,} of {apart.n_rows:,} rows ({share:.1%}) break the contract of {data.name}, most of them {worst}; "
        f"expected at most {limit:.1%}. Look at data/quarantine, then mend the source, or the contract or "
        f"data.checks.max_quarantined_share in conf/data/{data.name}.yaml",
        [
            *([f"to mend it: {mend}"] if mend else []),
            *("; to mend it: ".join(filter(None, other)) for other in others),
        ],
    )


def _shown(apart: Apart, quarantine: Path) -> contract.Checked:
    """What the error is about: all rows in quarantine or, of very many, those at the beginning and the first that breaks each rule."""
    most, reasons = partitions.max_rows(apart.checked.quarantine.width), apart.checked.quarantine.columns[-1]
    rows = apart.checked.quarantine.clear()
    for chunk in partitions.chunks(quarantine, most):
        missing = apart.broken.keys() - set(rows[reasons].explode())
        firsts = [chunk.filter(pl.col(reasons).list.contains(rule)).head(1) for rule in sorted(missing)]
        rows = pl.concat([rows, *firsts]) if rows.height else chunk
    return replace(apart.checked, quarantine=rows, reasons=rows[reasons], broken=apart.broken)


def _before(error: NotComputedError, rules: Mapping[str, str]) -> dict[str, str]:
    """The rules before the one that can't be computed."""
    return dict(takewhile(lambda rule: f"data.rules.{rule[0]}" != error.where, rules.items()))


def _of_outcomes(targets: Mapping[str, Target]) -> dict[str, str]:
    """The rules that outcomes keep which their target's config names, by what breaks them, as SQL."""
    rules = {f"{name} is one of its classes": task_of(t).rule(t.sql) for name, t in targets.items()}
    return {name: sql for name, sql in rules.items() if sql is not None}
