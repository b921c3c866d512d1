"""Row expressions that the project supports, and rows for them."""

from datetime import datetime

from hypothesis import strategies as st

EXPRESSIONS = """
x
-x
x + y
x + 0
0 - x
x - 0.5
x * y - x
x / y
x / 3
x / 7.0 / y
1 / x
x / 0
x % y
x % 3
p + q * 2
p / q
p % q
(1 - p) * (q - x) + p * y * 60
i + j
i * j
-i
i + x
i / j
i / 3
3 / i
i * 2.5
i % j
i % 7
(i % 7) / 7.0
i // 3
small * small - 1
small // 3
small % 7
length(text) - 3
length(level) * 0.5
abs(x) + abs(i)
floor(x)
ceil(x)
floor(i)
round(x)
round(x, 2)
round(small / 3, 1)
sign(x) + sign(i)
sqrt(x)
ln(p)
log10(x)
log(x, 2)
exp(x)
exp(p) / (1 + exp(-p))
power(x, 2)
power(x, 4)
power(x, 10)
power(x, 0.5)
power(x, -1)
power(p, q)
power(small, 3)
sin(p) + cos(x) * tan(y)
sin(2 * pi() * extract(hour FROM at) / 24)
x > y
x >= 0.5
p = q
p < q
p <= q
p <> q
i > 0.5
i = 9007199254740992.0
i > x
b = TRUE
b > c
b IS TRUE
text = 'unseen'
text <> 'unseen'
text < level
x BETWEEN y AND p
small NOT BETWEEN -3 AND 3
x IS NULL
x IS NOT NULL
x IS DISTINCT FROM y
p IS NOT DISTINCT FROM q
NOT b
b AND c
b OR c
b AND NULL
b OR NULL
NOT (x > 1 OR y < 2) AND b
i IN (1, 2, 7)
i IN (1, NULL)
i NOT IN (1, NULL)
i IN (1.5, 2)
p IN (1, 2.5)
x IN (y, 3)
text IN ('unseen', 'ß')
level NOT IN ('A')
CASE WHEN b THEN 1 ELSE 0 END
CASE WHEN b THEN 1 END
CASE WHEN b THEN x ELSE i END
CASE WHEN b THEN 3000000000 ELSE 0 END
CASE WHEN x IS NULL OR x >= 180 THEN 150 WHEN x >= 60 THEN 50 ELSE 0 END
CASE small WHEN 1 THEN 'one' WHEN 2 THEN 'two' END
if(b, x / 3, -1)
coalesce(x, i, 0.5)
coalesce(i, 0)
nullif(x, 0)
x / nullif(small, 0)
greatest(x, p, q)
least(x, p, q)
greatest(i, 2.5)
greatest(at, until)
upper(level)
lower(level)
length(text)
left(text, 2)
substr(text, 2)
text LIKE 'u%'
text LIKE '%n'
text LIKE '%se%'
text NOT LIKE 'u%'
concat(small, '-', i, text, b)
text || '-' || small
date(level)
CAST(x AS DOUBLE)
CAST(b AS DOUBLE) * x
CAST(i AS DOUBLE) / 3
CAST(b AS BIGINT)
CAST(round(x) AS BIGINT)
TRY_CAST(x AS INTEGER)
CAST(i AS VARCHAR)
CAST(i AS BOOLEAN)
CAST(at AS DATE)
CAST(at AS BIGINT)
b + 1
b + c
extract(year FROM at)
extract(month FROM at) * 30 + extract(day FROM at)
extract(hour FROM at) * 60 + extract(minute FROM at)
extract(hour FROM at) / 24
extract(second FROM at)
extract(dow FROM at)
extract(dow FROM at) IN (0, 6)
extract(isodow FROM at)
extract(doy FROM at)
extract(week FROM at)
extract(isoyear FROM at)
extract(quarter FROM at)
extract(epoch FROM at) / 86400
extract(dow FROM date(concat(year, '-', month, '-', day)))
at > until
at >= TIMESTAMP '2013-01-01'
at < DATE '2013-01-01'
CAST(at AS DATE) = DATE '2013-01-01'
at - until
at - until > INTERVAL '1 day'
at + INTERVAL '90 minutes'
at - INTERVAL '1 day 2 hours' > until
1
2.5
'one'
NULL
1 = 1
x * NULL
2 / 3 * x
""".strip().splitlines()

NUMBERS = st.none() | st.floats(allow_nan=False, allow_infinity=False)
ROWS = st.lists(
    st.tuples(
        NUMBERS,
        NUMBERS,
        st.none() | st.integers(-(2**63), 2**63 - 1),
        st.none() | st.text(max_size=3),
        st.none() | st.booleans(),
        st.none() | st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)),
    ),
    min_size=1,
    max_size=20,
)


def numeric_sql(depth: int = 3) -> st.SearchStrategy[str]:
    leaf = st.sampled_from(["x", "y", "i", "extract(year FROM at)", "0", "1", "3", "0.1", "2.5", "NULL"])
    if not depth:
        return leaf
    inner = numeric_sql(depth - 1)
    return st.one_of(
        leaf,
        st.builds("({} {} {})".format, inner, st.sampled_from("+-*/%"), inner),
        st.builds("{}({})".format, st.sampled_from(["abs", "-", "floor", "round", "exp", "sqrt"]), inner),
        st.builds("coalesce({}, {}, 1)".format, inner, inner),
        st.builds("greatest({}, {})".format, inner, inner),
        st.builds("CASE WHEN {} THEN {} ELSE {} END".format, condition_sql(depth - 1), inner, inner),
    )


def condition_sql(depth: int) -> st.SearchStrategy[str]:
    leaf = st.sampled_from(["b", "text = 'a'", "x > y", "i IS NULL", "x >= 1", "text IN ('a', 'b')"])
    if not depth:
        return leaf
    numbers = numeric_sql(depth - 1)
    return st.one_of(
        leaf,
        st.builds("({} {} {})".format, numbers, st.sampled_from(["<", ">=", "=", "<>"]), numbers),
        st.builds("({} {} {})".format, leaf, st.sampled_from(["AND", "OR"]), condition_sql(depth - 1)),
        st.builds("(NOT {})".format, leaf),
    )
