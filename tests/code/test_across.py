"""What SQL looks at beside the row that it makes, by Polars' own plan of it."""

import polars as pl
import pytest

from accord.sql.across import Across, look

RIDES = pl.DataFrame({"ride": [1, 2], "place": ["a", "b"], "hour": ["x", "y"], "mark": [0, 0]})
PLACES = pl.DataFrame({"name": ["a"], "height": [1], "place": ["q"]})


def found(sql: str) -> Across:
    return look(pl.SQLContext({"rides": RIDES, "places": PLACES}, eager=False).execute(sql), "mark")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM rides",
        "SELECT ride, upper(place) AS p, CASE WHEN ride > 1 THEN 'a' ELSE hour END AS c, strptime(hour, '%Y') AS h FROM rides WHERE ride > 0",
        "WITH r AS (SELECT *, ride * 2 AS twice FROM rides) SELECT r.*, p.height FROM r LEFT JOIN places p ON r.place = p.name",
        "SELECT r.* FROM places p RIGHT JOIN rides r ON r.place = p.name",
        "SELECT r.*, p.height FROM places p JOIN rides r ON r.place = p.name",
        "SELECT r.*, p.height FROM rides r JOIN places p ON r.ride >= p.height AND r.ride < p.height + 2",
        "SELECT r.*, p.height FROM rides r CROSS JOIN places p",
        "SELECT * FROM rides WHERE place IN (SELECT name FROM places)",
        "SELECT r.*, p.n FROM rides r LEFT JOIN (SELECT name, COUNT(*) AS n FROM places GROUP BY name ORDER BY n LIMIT 5) p ON r.place = p.name",
    ],
)  # fmt: skip
def test_sql_that_makes_each_row_of_itself_and_of_other_tables_looks_at_no_other_row(sql: str) -> None:
    assert found(sql) == Across([], [])


def test_windows_say_what_their_rows_have_in_common() -> None:
    sql = (
        "SELECT *, COUNT(*) OVER (PARTITION BY place, hour) AS n, LAG(ride) OVER (PARTITION BY place ORDER BY ride) AS last, "
        "ride - MAX(ride) OVER (PARTITION BY hour) AS gap FROM rides"
    )
    assert set(found(sql).windows) == {
        frozenset({"place", "hour"}),
        frozenset({"place"}),
        frozenset({"hour"}),
    }
    assert not found(sql).others


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("SELECT *, COUNT(*) OVER () AS n FROM rides", "an aggregate"),
        ("SELECT *, ROW_NUMBER() OVER (ORDER BY ride) AS n FROM rides", "OVER, or a function of many rows"),
        ("SELECT *, COUNT(*) OVER (PARTITION BY upper(place)) AS n FROM rides", "OVER"),
        ("WITH r AS (SELECT * REPLACE (upper(place) AS place) FROM rides) SELECT *, COUNT(*) OVER (PARTITION BY place) AS n FROM r", "OVER"),
        ("SELECT r.ride, COUNT(*) OVER (PARTITION BY p.place) AS n FROM places p RIGHT JOIN rides r ON r.place = p.name", "OVER"),
        ("WITH r AS (SELECT *, COUNT(*) OVER (PARTITION BY place) AS n FROM rides) SELECT *, COUNT(*) OVER (PARTITION BY n) AS m FROM r", "OVER"),
        ("SELECT r.*, g.n FROM rides r LEFT JOIN (SELECT place, COUNT(*) AS n FROM rides GROUP BY place) g ON r.place = g.place", "GROUP BY"),
        ("SELECT r.*, o.ride AS other FROM rides r LEFT JOIN rides o ON r.ride = o.ride", "a join of the rows with themselves"),
        ("SELECT p.*, r.ride FROM places p LEFT JOIN rides r ON r.place = p.name", "an outer join"),
        ("SELECT r.*, p.height FROM rides r FULL JOIN places p ON r.place = p.name", "an outer join"),
        ("SELECT * FROM rides UNION ALL SELECT * FROM rides", "UNION"),
        ("SELECT DISTINCT * FROM rides", "DISTINCT"),
        ("SELECT * FROM rides ORDER BY ride", "ORDER BY"),
        ("SELECT * FROM rides LIMIT 1000000", "LIMIT"),
        ("SELECT *, date(hour) AS day FROM rides", "a time that is read without a format"),
        ("SELECT * FROM rides WHERE ride > (SELECT AVG(ride) FROM rides)", "an aggregate"),
    ],
)  # fmt: skip
def test_sql_that_needs_other_rows_is_told_in_its_words(sql: str, words: str) -> None:
    assert words in found(sql).others
