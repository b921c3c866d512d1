"""Traffic in Postgres: a table of predicted rows, one of refused requests, one of outcomes, and a small one of the columns
seen so far.

A segment is one transaction, and a row that exists already is left as it is. So a segment may be sent again after a kill.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, time
from itertools import groupby
from typing import TYPE_CHECKING, Any

import polars as pl
from polars.io.plugins import register_io_source

from accord.environment import resolved
from accord.errors import AccordError
from accord.schema.serving import Postgres
from accord.traffic.frames import BATCH_ROWS, SCHEMAS, Kind, dtype, series, text
from accord.traffic.person import Person
from accord.traffic.records import LoggedOutcome, LoggedRow, Predicted, Record, Refused, Reported

if TYPE_CHECKING:
    import psycopg

OF_THE_SERVER = {"08", "28", "3D", "42", "53", "55", "57", "58"}
"""Classes of SQLSTATE that don't depend on what is sent: connection, authorisation, missing database or table,
rights, resources, locks, shutdown, system."""
URL = "serving.traffic.postgres.url"
TABLES = """
CREATE TABLE IF NOT EXISTS {predictions} (
    prediction_id text PRIMARY KEY, at timestamptz NOT NULL, latency_us bigint NOT NULL, model text NOT NULL,
    config text NOT NULL, key text, weights jsonb, score double precision, action boolean,
    probability double precision, warnings text[] NOT NULL, predicted jsonb NOT NULL, "row" jsonb NOT NULL,
    segment text NOT NULL
);
CREATE INDEX IF NOT EXISTS {at_index} ON {predictions} (at);
CREATE INDEX IF NOT EXISTS {key_index} ON {predictions} USING hash (key);
CREATE TABLE IF NOT EXISTS {refusals} (
    segment text, line bigint, at timestamptz NOT NULL, latency_us bigint NOT NULL, status bigint NOT NULL,
    reason text NOT NULL, n_bytes bigint NOT NULL, PRIMARY KEY (segment, line)
);
CREATE INDEX IF NOT EXISTS {refused_at_index} ON {refusals} (at);
CREATE TABLE IF NOT EXISTS {columns} (name text, kind text, PRIMARY KEY (name, kind));
CREATE TABLE IF NOT EXISTS {outcomes} (
    outcome_id text PRIMARY KEY, at timestamptz NOT NULL, prediction_id text, key text, outcome jsonb NOT NULL,
    "row" jsonb NOT NULL, segment text NOT NULL
);
CREATE INDEX IF NOT EXISTS {outcome_at_index} ON {outcomes} (at);
ALTER TABLE {predictions} ADD COLUMN IF NOT EXISTS code text
"""
"""The last line is for tables that were made before predictions had the hash of the service's code."""
COLUMNS = {
    "predictions": "prediction_id, at, latency_us, model, config, key, weights, score, action, probability, warnings, predicted, "
    '"row", segment, code',
    "refusals": "segment, line, at, latency_us, status, reason, n_bytes",
    "outcomes": 'outcome_id, at, prediction_id, key, outcome, "row", segment',
    "columns": "name, kind",
}
"""What is written to each table, in the order of its rows here. A table may have its own columns in any order, and more."""
Row = tuple[Any, ...]


class AwayError(AccordError):
    """Postgres can't be connected to, or can't be used as the settings say."""


class Table:
    name = "Postgres"

    def __init__(self, settings: Postgres) -> None:
        self._url = resolved(settings.url, URL)
        self._names = {
            "predictions": settings.table,
            "refusals": f"{settings.table}_refused",
            "outcomes": f"{settings.table}_outcomes",
            "columns": f"{settings.table}_columns",
            "at_index": f"{settings.table}_at",
            "key_index": f"{settings.table}_key",
            "refused_at_index": f"{settings.table}_refused_at",
            "outcome_at_index": f"{settings.table}_outcomes_at",
        }

    def keep(self, segment: str, records: Iterable[tuple[int, Record]]) -> None:
        refused: list[Row] = []
        outcomes: list[Row] = []
        columns: set[tuple[str, str]] = set()

        def predicted() -> Iterator[Row]:
            for line, record in records:
                if isinstance(record, Refused):
                    refused.append(_refused(segment, line, record))
                    continue
                if isinstance(record, Reported):
                    for outcome in record.rows:
                        columns.update((f"outcome|{n}", type(v).__name__) for n, v in outcome.outcome.items())
                        outcomes.append(_reported(segment, record, outcome))
                    continue
                for row in record.rows:
                    columns.update((f"predicted|{name}", "float") for name in row.predictions)
                    columns.update((f"row|{name}", type(value).__name__) for name, value in row.row.items())
                    yield _predicted(segment, record, row)

        with self._connected() as connection:
            self._add(connection, "predictions", predicted())
            self._add(connection, "refusals", refused)
            self._add(connection, "outcomes", outcomes)
            self._add(connection, "columns", columns)

    def discard(self, segment: str) -> None:
        """Nothing to do: a transaction leaves nothing behind."""

    def delete_before(self, day: date) -> int:
        """Deletes the rows of the days before this one; how many there were."""
        instant = datetime.combine(day, time(), UTC)
        with self._connected() as connection:
            return sum(
                connection.execute(self._sql(f"DELETE FROM {{{kind}}} WHERE at < %s"), [instant]).rowcount
                for kind in SCHEMAS
            )

    def scan(
        self,
        kind: Kind,
        begin: datetime | None,
        end: datetime | None,
        segments: Collection[str],
        only: str | None = None,
    ) -> pl.LazyFrame:
        """The rows from `begin` to `end`, without those of these segments. With `only`, just the row with this id. They are
        fetched in batches when the frame is collected."""
        conditions: dict[str, Any] = {"at >= %s": begin, "at < %s": end, "segment <> ALL(%s)": list(segments)}
        if kind == "predictions":
            conditions["prediction_id = %s"] = only
        given = {sql: value for sql, value in conditions.items() if value is not None}
        where = " AND ".join(given)
        schema = self._schema(kind)

        def batches(
            columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, _: int | None
        ) -> Iterator[pl.DataFrame]:
            wanted = list(schema) if columns is None else columns
            sources = list(dict.fromkeys(_source(name) for name in wanted))
            listing = ", ".join(f'"{name}"' for name in sources) or "1"
            with self._connected() as connection, connection.cursor("scan") as cursor:
                cursor.execute(
                    self._sql(f"SELECT {listing} FROM {{{kind}}} WHERE {where}"), [*given.values()]
                )
                while (n_rows is None or n_rows > 0) and (
                    rows := cursor.fetchmany(min(n_rows or BATCH_ROWS, BATCH_ROWS))
                ):
                    n_rows = None if n_rows is None else n_rows - len(rows)
                    values = dict(zip(sources, zip(*rows, strict=True), strict=False))
                    frame = pl.DataFrame([_column(name, values, schema[name]) for name in wanted])
                    yield frame if predicate is None else frame.filter(predicate)

        return register_io_source(batches, schema=schema)

    def erase(self, kind: Kind, person: Person) -> int:
        """Erases a person's rows of this kind; how many there were."""
        if person.column is None:
            condition, values = "key = ANY(%s)", [list(person.texts)]
        else:
            condition = """CASE jsonb_typeof("row" -> %s)
                WHEN 'number' THEN ("row" ->> %s)::numeric = ANY(%s) ELSE "row" ->> %s = ANY(%s) END"""
            name = person.column
            values = [name, name, person.integers, name, list(person.texts)]  # type: ignore[list-item]
        theirs = f"{condition} OR prediction_id = ANY(%s) OR key = ANY(%s)"
        with self._connected() as connection:
            return connection.execute(
                self._sql(f"DELETE FROM {{{kind}}} WHERE {theirs}"), [*values, [*person.ids], [*person.keys]]
            ).rowcount

    def _schema(self, kind: Kind) -> dict[str, pl.DataType]:
        if kind == "refusals":
            return SCHEMAS[kind]
        with self._connected() as connection:
            seen = connection.execute(self._sql("SELECT name, kind FROM {columns} ORDER BY name")).fetchall()
        types = {
            name: {type_ for _, type_ in kinds} - {"NoneType"}
            for name, kinds in groupby(seen, lambda row: row[0])
            if (_source(name) == "outcome") == (kind == "outcomes")
        }
        return {**SCHEMAS[kind], **{name: dtype(kinds) for name, kinds in types.items()}}

    def _add(self, connection: "psycopg.Connection[Row]", name: str, rows: Iterable[Row]) -> None:
        from psycopg.errors import UndefinedColumn

        columns = COLUMNS[name]
        taken = f"SELECT {columns} FROM {{{name}}} WITH NO DATA"  # their types, without what a table demands of them
        try:
            connection.execute(self._sql(f"CREATE TEMP TABLE incoming ON COMMIT DROP AS {taken}"))
        except UndefinedColumn as error:
            raise AwayError(
                f"Postgres can't be used: in the table {self._names[name]} a {_why(error)}; add it again, as it was before"
            ) from error
        with connection.cursor().copy(f"COPY incoming ({columns}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        insert = f"INSERT INTO {{{name}}} ({columns}) SELECT {columns} FROM incoming ON CONFLICT DO NOTHING"
        connection.execute(self._sql(insert))
        connection.execute("DROP TABLE incoming")

    def _sql(self, query: str) -> Any:
        from psycopg import sql

        return sql.SQL(query).format(**{kind: sql.Identifier(name) for kind, name in self._names.items()})

    @contextmanager
    def _connected(self) -> "Iterator[psycopg.Connection[Row]]":
        """A connection whose transaction is committed when the block ends well."""
        try:
            import psycopg
        except ImportError as error:
            raise AwayError(
                "serving.traffic.postgres needs psycopg, which is not installed; install it: pip install 'psycopg[binary]'"
            ) from error
        try:
            settings = psycopg.conninfo.make_conninfo(self._url, connect_timeout=5, tcp_user_timeout=30_000)
        except psycopg.Error:  # its message may quote the password
            raise AwayError(
                f"{URL} is not understood; expected postgresql://user:password@host/database"
            ) from None
        try:
            with psycopg.connect(settings, prepare_threshold=None) as connection:
                connection.execute("SET TIME ZONE 'UTC'")
                self._make_tables(connection)
                yield connection
        except psycopg.Error as error:
            lost = error.sqlstate is None and isinstance(error, psycopg.OperationalError)
            if lost or (error.sqlstate or "")[:2] in OF_THE_SERVER:
                raise AwayError(f"Postgres can't be used: {_why(error)}") from error
            raise AccordError(f"Postgres refused: {_why(error)}") from error

    def _make_tables(self, connection: "psycopg.Connection[Row]") -> None:
        table = f'"{self._names["predictions"]}"'
        there = "SELECT FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attname = 'code'"  # what is made last
        if connection.execute(there, [table]).fetchone() is None:
            connection.execute(
                "SELECT pg_advisory_xact_lock(hashtext(%s))", [table]
            )  # one process makes them
            connection.execute(self._sql(TABLES))


def _predicted(segment: str, record: Predicted, row: LoggedRow) -> Row:
    return (
        row.prediction_id, record.at, record.latency_us, record.model, record.config, _storable(row.key),
        None if record.weights is None else text(record.weights),
        row.score, row.action, row.probability, [_storable(warning) for warning in row.warnings],
        text(row.predictions), text({name: _storable(value) for name, value in row.row.items()}), segment,
        record.code,
    )  # fmt: skip


def _refused(segment: str, line: int, record: Refused) -> Row:
    return (
        segment, line, record.at, record.latency_us, record.status, _storable(record.reason), record.n_bytes
    )  # fmt: skip


def _reported(segment: str, record: Reported, row: LoggedOutcome) -> Row:
    return (
        row.outcome_id, record.at, _storable(row.prediction_id), _storable(row.key),
        text({name: _storable(value) for name, value in row.outcome.items()}),
        text({name: _storable(value) for name, value in row.row.items()}), segment,
    )  # fmt: skip


def _why(error: "psycopg.Error") -> str:
    """What went wrong without the addresses, users and values that messages and their details quote: the state of the
    service, which anyone may ask for, shows it."""
    if error.diag.message_primary:
        return error.diag.message_primary
    first = (str(error).splitlines() or [repr(error)])[0].rpartition("failed: ")[2]
    return re.sub(r'"[^"]*"', '"..."', " ".join(first.split()))


def _storable(value: Any) -> Any:
    """The value without the one character that Postgres can't hold."""
    return value.replace("\0", "\ufffd") if isinstance(value, str) else value


def _source(name: str) -> str:
    """The table's column that holds a frame's column."""
    return name.partition("|")[0]


def _column(name: str, values: Mapping[str, Sequence[Any]], type_: pl.DataType) -> pl.Series:
    source, _, inner = name.partition("|")
    if inner:
        return series(name, [value.get(inner) for value in values[source]], type_)
    if name == "weights":
        return pl.Series(name, [None if value is None else text(value) for value in values[name]], type_)
    return pl.Series(name, values[name], type_)
