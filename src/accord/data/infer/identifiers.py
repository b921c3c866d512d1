"""Columns that a model learns nothing of: ids, row numbers, texts, constants, and columns that repeat others."""

import re
from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl

from accord.data.infer.facts import Facts
from accord.data.infer.guess import Guess
from accord.data.infer.hints import says, words

IDS = {
    "id", "ids", "uuid", "guid", "key", "pk", "index", "idx", "row", "rownames", "rownum", "row number", "identifier", "ident", "nr",
    "no", "nummer", "numero", "serial", "code", "ref", "reference", "token", "hash", "unnamed", "kennung", "schluessel", "clave",
    "identifiant", "codice", "record", "ticket", "case", "account", "transaction",
}  # fmt: skip
SURE_IDS = {"id", "ids", "uuid", "guid", "pk", "rownames", "row number", "rownum", "identifier", "ident", "identifiant", "kennung", "unnamed"}  # fmt: skip
COUNTED = {
    "year", "yr", "jahr", "annee", "ano", "anno", "jaar", "month", "week", "day", "hour", "minute", "second", "time", "period", "step", "t", "age", "rank",
    "ranking", "position", "place", "order", "score", "rating", "rang", "platz", "posicion",
}  # fmt: skip
"""Words by which whole numbers without gaps still tell something."""
UUID = re.compile(r"[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}|[0-9a-fA-F]{24,64}")
ROWS = {"unnamed", "rownames", "row number", "rownum", "row", "index", "idx"}
"""Words by which a number is only a row's place in the file."""
NEARLY = 0.95
"""Different values for each row from which a column nearly never repeats a value."""
MIN_ROWS = 20
"""Rows from which values that never repeat, or columns that agree in all of them, mean something."""
LEVEL_ROWS = 20
"""Rows that a level needs to be learned, as `features.rare_level_rows` has it."""
MANY_LEVELS = 100
LEARNABLE = 0.05
"""Share of the rows in such levels from which a category is worth learning."""
GAPS = 0.05
"""Share of missing values from which it may tell something that there is one at all."""
TEXT_WORDS = 4.0
"""Words on average from which a value is a text."""
FIRST = 2_000
"""Rows by which columns are told apart before they are compared."""
MAX_COMPARED = 20_000
"""Rows that are compared before all are."""


def _info(reason: str) -> Guess:
    return Guess("role", "info", reason, "role: feature")


def _left_out(reason: str) -> Guess:
    return Guess("role", None, reason, "role: feature")


def unlearnable(facts: Facts) -> Guess | None:
    """The role of a column that is no feature by itself; None as a role leaves it out of the contract."""
    if not facts.n_present:
        return _left_out("has no value in any row")
    if facts.n_distinct == 1 and facts.n_present == facts.n_rows:
        return _left_out("has the same value in every row")
    if facts.n_present < MIN_ROWS:
        return None
    return _as_id(facts) or (_as_text(facts) if facts.is_text else None)


def _as_id(facts: Facts) -> Guess | None:
    if not (facts.is_text or facts.is_whole):
        return None
    named, sure = says(facts.source, IDS), says(facts.source, SURE_IDS)
    unique = f"{facts.n_distinct:,} different values in {facts.n_present:,} rows"
    if facts.is_text:
        if _share(UUID, facts.sample) > NEARLY:
            return _info(f"an id: {unique}, written as ids are")
        if facts.uniqueness >= NEARLY and facts.missing_share < GAPS and _mean_words(facts.sample) < 2:
            return _info(f"an id: {unique}, so that no value tells anything of another row")
        return _info(f"an id, by its name: {unique}") if sure and facts.uniqueness > 0.5 else None
    if says(facts.source, COUNTED):
        return None
    if _counts_rows(facts):
        return _info(f"a row number: {unique}, without gaps")
    if named and facts.uniqueness >= NEARLY and facts.missing_share < 0.5:
        return _info(f"an id, by its name and {unique}")
    if sure and facts.uniqueness > 0.5:
        return _info(f"an id, by its name: {unique}")
    if facts.uniqueness >= 0.99 and _is_long(facts):
        return _info(f"an id: {unique}, all of as many digits")
    return None


def _counts_rows(facts: Facts) -> bool:
    """Whether the values number the rows, perhaps with a few rows taken out."""
    low, high = float(facts.present.min()), float(facts.present.max())  # type: ignore[arg-type]
    return facts.uniqueness == 1 and high - low + 1 <= facts.n_present * 1.02 and facts.missing_share == 0


def _is_long(facts: Facts) -> bool:
    digits = {len(text.removesuffix(".0")) for text in facts.sample}
    return len(digits) == 1 and min(digits) >= 9


def _as_text(facts: Facts) -> Guess | None:
    n_words = _mean_words(facts.sample)
    if n_words >= TEXT_WORDS and facts.uniqueness > 0.3:
        return _info(f"free text: {n_words:.0f} words on average, which no model here reads")
    if facts.uniqueness > 0.5 and facts.missing_share < GAPS and _learnable(facts) < LEARNABLE:
        return _info(
            f"{facts.n_distinct:,} different values in {facts.n_present:,} rows: too few rows of each to learn from"
        )
    return None


def many_levels(facts: Facts) -> Guess | None:
    """That a category has more levels than a reader would think, of which a model learns the common ones."""
    if not facts.is_text or facts.n_distinct <= MANY_LEVELS:
        return None
    share = _learnable(facts)
    reason = f"{facts.n_distinct:,} different values; {share:.0%} of the rows have one with {LEVEL_ROWS} rows or more, and the others share a level"
    return Guess("role", "feature", reason, "role: info")


def _learnable(facts: Facts) -> float:
    """The share of the rows whose value has enough of them."""
    counts = facts.counts()
    return float(counts.filter(counts >= LEVEL_ROWS).sum()) / facts.n_present


def _share(pattern: re.Pattern[str], values: Sequence[str]) -> float:
    return sum(pattern.fullmatch(value) is not None for value in values) / len(values) if values else 0.0


def _mean_words(values: Sequence[str]) -> float:
    return float(np.mean([len(value.split()) for value in values])) if values else 0.0


@np.errstate(all="ignore")
def repeats(columns: Sequence[Facts]) -> dict[str, Guess]:
    """The columns that say what another one says already, by name. Of such columns that with the shortest name stays."""
    order = sorted(columns, key=lambda facts: (len(facts.name), facts.name))
    found: dict[str, Guess] = {}
    for one, other, how in _alike(order):
        if one.name not in found:
            found.setdefault(other.name, _left_out(f"{how} {one.name} in every row"))
    return found


def _alike(columns: Sequence[Facts]) -> Iterator[tuple[Facts, Facts, str]]:
    alike: dict[tuple[object, ...], list[Facts]] = {}
    for facts in columns:
        if facts.n_distinct > 1:
            alike.setdefault((facts.n_distinct, facts.n_present, *_mark(facts)), []).append(facts)
    for group in alike.values():
        for i, one in enumerate(group):
            for other in group[i + 1 :]:
                if (how := _how_alike(one, other)) is not None and _varies(one):
                    yield one, other, how


def _mark(facts: Facts) -> tuple[object, ...]:
    """What columns that repeat each other have in common: where numbers are smallest and largest, or where the first values of
    anything else come back."""
    values = facts.column.values
    if values.dtype.is_numeric():
        return ("number", frozenset((values.arg_min(), values.arg_max())))
    _, first, place = np.unique(values[:FIRST].hash(0).to_numpy(), return_index=True, return_inverse=True)
    return (str(values.dtype), first[place].tobytes())


def _varies(facts: Facts) -> bool:
    """Whether enough rows have another value than the commonest one for agreement to be no chance."""
    return facts.n_present - facts.n_commonest >= MIN_ROWS


def _how_alike(one: Facts, other: Facts) -> str | None:
    """How two columns with as many values and as many missing ones repeat each other, if they do."""
    a, b = one.column.values, other.column.values
    few, many = slice(0, MAX_COMPARED), slice(0, None)
    parts = (few, many) if len(a) > MAX_COMPARED else (many,)
    if a.dtype.is_numeric() and b.dtype.is_numeric():
        if all(_linear(a[part], b[part]) for part in parts):
            return "equals" if a.cast(pl.Float64).equals(b.cast(pl.Float64)) else "is a multiple, shifted, of"
        return None
    if a.dtype != b.dtype:
        return None
    if all(a[part].equals(b[part]) for part in parts):
        return "equals"
    if a.dtype == pl.String and one.uniqueness <= 0.5:
        pairs = (pl.DataFrame({"a": a[part], "b": b[part]}) for part in parts)
        if all(pair.n_unique() == pair["a"].n_unique() == pair["b"].n_unique() for pair in pairs):
            return "has a value of its own for each one of"
    return None


def _linear(a: pl.Series, b: pl.Series) -> bool:
    if not a.is_null().equals(b.is_null()):
        return False
    x, y = (values.drop_nulls().cast(pl.Float64).to_numpy() for values in (a, b))
    if not len(x) or not (np.isfinite(x).all() and np.isfinite(y).all()):
        return False
    low, high = x.argmin(), x.argmax()
    if x[low] == x[high]:
        return bool((y == y[0]).all())
    slope = (y[high] - y[low]) / (x[high] - x[low])
    return bool(np.allclose(y, y[low] + slope * (x - x[low]), rtol=1e-9, atol=1e-9 * abs(y).max()))


def keys(columns: Sequence[Facts], ids: Sequence[str]) -> Guess | None:
    """The column that tells the rows apart, if one is named so and never repeats a value."""
    able = [
        facts
        for facts in columns
        if facts.name in ids and facts.n_distinct == facts.n_rows and says(facts.source, SURE_IDS)
        and not says(facts.source, ROWS)
    ]  # fmt: skip
    if not able:
        return None
    best = min(able, key=lambda facts: (len(words(facts.source)), len(facts.name), facts.name))
    return Guess("key", [best.name], f"{best.source} has another value in every row", "--key COLUMNS")
