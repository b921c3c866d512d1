"""Charts as inline SVG: pure functions from numbers to markup, styled by the page.

Colours are classes that the page's style sheet defines, so one drawing serves light, dark and print. Text is
escaped where it enters an element. Coordinates are rounded: the same input gives the same bytes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, floor, log10

from markupsafe import Markup

from accord.page.markup import escaped
from accord.page.words import number, shortened

Point = tuple[float, float]
WIDTH = 330  # what a narrow phone leaves, so that no text shrinks
ROW = 22
MAX_GHOSTS = 40
MAX_WRITTEN = 6
"""Columns of a matrix that have room for their names and counts."""
LETTER = 6.4
"""The approximate width of a letter in labels to the left of a row."""


def element(name: str, *children: str, **attributes: str | float) -> Markup:
    """One element; children that aren't markup yet are escaped, and so are attributes.

    >>> element("text", "a < b", x=1.04, class_="tick")
    Markup('<text x="1" class="tick">a &lt; b</text>')
    """
    words = [
        f' {key.rstrip("_").replace("_", "-")}="{escaped(_rounded(v))}"' for key, v in attributes.items()
    ]
    return Markup(f"<{name}{''.join(words)}>{''.join(map(escaped, children))}</{name}>")


def ticks(low: float, high: float, n: int = 5) -> list[float]:
    """About n round numbers, 1, 2 or 5 times a power of ten apart, from at most `low` to at least `high`.

    >>> ticks(0.13, 0.87)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    if high <= low:
        low, high = low - (abs(low) or 1) / 2, low + (abs(low) or 1) / 2
    power = 10 ** floor(log10((high - low) / n))
    step = next(k * power for k in (1, 2, 5, 10) if round(k * power * n, 12) >= round(high - low, 12))
    first, last = floor(round(low / step, 9)), ceil(round(high / step, 9))
    return [round(i * step, 12) for i in range(first, last + 1)]


@dataclass(frozen=True)
class Axis:
    """The ticks, and the coordinates of the first and the last of them."""

    ticks: Sequence[float]
    begin: float
    end: float

    def at(self, value: float) -> float:
        first, last = self.ticks[0], self.ticks[-1]
        return self.begin + (value - first) / (last - first) * (self.end - self.begin)


@dataclass(frozen=True)
class Plane:
    """Two axes with their names, and a reference line."""

    x: Sequence[float]
    y: Sequence[float]
    x_label: str
    y_label: str
    reference: Callable[[float], float]

    @property
    def axes(self) -> tuple[Axis, Axis]:
        return Axis(self.x, 46, WIDTH - 14), Axis(self.y, 252, 28)


def curve(points: Sequence[Point], plane: Plane, label: str) -> Markup:
    """A line through the points. A few points are all marked; of many, some appear under the pointer."""
    step = ceil(len(points) / MAX_GHOSTS)
    kind = "dot" if step == 1 else "ghost"
    x, y = plane.axes
    path = " ".join(f"{_rounded(x.at(a))},{_rounded(y.at(b))}" for a, b in points)
    line = element("polyline", points=path, class_="line")
    return _drawn(plane, label, [line, *_dots(points[::step], plane, kind)])


def scatter(points: Sequence[Point], plane: Plane, label: str) -> Markup:
    """A faint dot per point, so that many dots in one place look dark."""
    return _drawn(plane, label, _dots(points, plane, "speck"))


DODGE = 5
"""The shift between series at the same x, so that equal values don't hide each other."""


def lines(
    series: Sequence[tuple[str, Sequence[float | None]]], names: Sequence[str], y_label: str, label: str
) -> Markup:
    """A line per series over named positions. The n-th has the class `series-n`, and a missing value leaves a gap."""
    known = [value for _, values in series for value in values if value is not None]
    y, x = Axis(ticks(min(known), max(known), 4), 252, 28), Axis([0, len(names)], 50, WIDTH - 6)
    grid = [element("line", x1=x.begin, x2=x.end, y1=y.at(t), y2=y.at(t), class_="grid") for t in y.ticks]
    texts = [_tick(x.begin - 7, y.at(t) + 4, t, "end") for t in y.ticks]
    texts += [
        element("text", name, x=x.at(i + 0.5), y=y.begin + 16, class_="tick middle")
        for i, name in enumerate(names)
    ]
    drawn = [
        _series(name, values, names, x, y, n, (n - (len(series) - 1) / 2) * DODGE)
        for n, (name, values) in enumerate(series)
    ]
    return _svg(274, label, [*grid, *texts, element("text", y_label, x=4, y=13, class_="axis"), *drawn])


@dataclass(frozen=True)
class Interval:
    """One row of `intervals`: a value, its interval, and the baseline's value."""

    label: str
    value: float
    low: float | None
    high: float | None
    baseline: float | None

    @property
    def known(self) -> list[float]:
        return [v for v in (self.value, self.low, self.high, self.baseline) if v is not None]


def intervals(rows: Sequence[Interval], x_label: str, label: str) -> Markup:
    """A row per value: a dot on its interval, with the baseline as a vertical mark."""
    known = [v for row in rows for v in row.known]
    left, height = _margin([row.label for row in rows]), len(rows) * ROW
    axis = Axis(ticks(min(known), max(known), 4), left + 8, WIDTH - 20)
    grid = [element("line", x1=axis.at(t), x2=axis.at(t), y1=0, y2=height, class_="grid") for t in axis.ticks]
    names = [_tick(axis.at(t), height + 14, t) for t in axis.ticks]
    title = element("text", x_label, x=(axis.begin + axis.end) / 2, y=height + 32, class_="axis middle")
    drawn = [_interval(row, axis, left, i * ROW + ROW / 2) for i, row in enumerate(rows)]
    return _svg(height + 40, label, [*grid, *names, title, *drawn])


def bars(rows: Sequence[tuple[str, float]], label: str) -> Markup:
    """A horizontal bar per row, whose length is its share of the largest value. Values must not be negative."""
    left = _margin([name for name, _ in rows])
    axis = Axis([0, max((value for _, value in rows), default=0) or 1], left + 8, WIDTH - 58)
    drawn = [_bar(name, value, axis, left, i * ROW + ROW / 2) for i, (name, value) in enumerate(rows)]
    return _svg(len(rows) * ROW, label, drawn)


def matrix(
    rows: Sequence[tuple[str, Sequence[tuple[int, int]]]], x_label: str, y_label: str, label: str
) -> Markup:
    """A row and a column of cells per name, each a count and its total, as dark as the count's share of it. A few names have their
    counts written in the cells; the pointer shows those of many."""
    names = [name for name, _ in rows]
    left = _margin(names)
    width = (WIDTH - 6 - left) / max(len(names), 1)
    height = min(width, 56.0)
    bottom, is_written = 22 + len(names) * height, len(names) <= MAX_WRITTEN
    titles = [
        element("text", y_label, x=4, y=13, class_="axis"),
        element("text", x_label, x=(left + WIDTH) / 2, y=bottom + 32, class_="axis middle"),
        *(_name(name, left - 6, 22 + (i + 0.5) * height) for i, name in enumerate(names)),
        *(
            element(
                "text",
                shortened(name, int(width / LETTER)),
                x=left + (j + 0.5) * width,
                y=bottom + 14,
                class_="tick middle",
            )
            for j, name in enumerate(names if is_written else [])
        ),
    ]
    cells = [
        _cell(
            count,
            total,
            f"{y_label}: {name}\n{x_label}: {names[j]}",
            (left + j * width, 22 + i * height, width, height),
            is_written,
        )
        for i, (name, counts) in enumerate(rows)
        for j, (count, total) in enumerate(counts)
    ]
    return _svg(bottom + 38, label, [*titles, *cells])


def _cell(
    count: int, total: int, what: str, place: tuple[float, float, float, float], is_written: bool
) -> Markup:
    """A cell at x and y, of a width and a height."""
    x, y, width, height = place
    share = count / total if total else 0.0
    tip = element("title", f"{what}\n{count:,} of {total:,} rows, {share:.1%}")
    parts = [
        element(
            "rect",
            x=x,
            y=y,
            width=width - 1,
            height=height - 1,
            class_="cell",
            fill_opacity=f"{0.04 + 0.56 * share:.3f}",
        )
    ]
    if is_written:
        parts.append(element("text", f"{count:,}", x=x + width / 2, y=y + height / 2 + 4, class_="middle"))
    return element("g", tip, *parts)


def gauge(value: float | None, low: float, high: float, usual: float, alarm: bool, label: str) -> Markup:
    """A gauge as high as a line of text: the expected range as a band, the usual value as a vertical mark, the value as a dot."""
    known = [v for v in (value, low, high, usual) if v is not None]
    reach = (max(known) - min(known) or 1) * 0.06
    axis = Axis([min(known) - reach, max(known) + reach], 4, 156)
    begin, end, mark = axis.at(low), axis.at(high), axis.at(usual)
    marks = [
        element("title", label),
        element("rect", x=begin, y=5, width=max(end - begin, 1), height=8, rx=4, class_="band"),
        element("line", x1=mark, x2=mark, y1=2, y2=16, class_="baseline"),
    ]
    if value is not None:
        marks.append(element("circle", cx=axis.at(value), cy=9, r=4.5, class_="dot off" if alarm else "dot"))
    return element("svg", *marks, viewBox="0 0 160 18", class_="gauge", role="img", aria_label=label)


def stack(parts: Sequence[tuple[str, int]], label: str) -> Markup:
    """One bar as wide as the page, in parts that are as wide as their counts. A part's name is its class."""
    total, begin, drawn = sum(count for _, count in parts) or 1, 0.0, []
    for name, count in parts:
        width = 1000 * count / total
        tip = element("title", f"{name}: {count:,} rows, {count / total:.1%}")
        drawn.append(element("rect", tip, x=begin, y=0, width=width, height=28, class_=name))
        begin += width
    return element(
        "svg", *drawn, viewBox="0 0 1000 28", preserveAspectRatio="none", class_="stack",
        role="img", aria_label=label,
    )  # fmt: skip


def _drawn(plane: Plane, label: str, marks: Sequence[Markup]) -> Markup:
    x, y = plane.axes
    grid = [element("line", x1=x.begin, x2=x.end, y1=y.at(t), y2=y.at(t), class_="grid") for t in y.ticks]
    grid += [element("line", x1=x.at(t), x2=x.at(t), y1=y.begin, y2=y.end, class_="grid") for t in x.ticks]
    names = [_tick(x.at(t), y.begin + 16, t) for t in x.ticks]
    names += [_tick(x.begin - 7, y.at(t) + 4, t, "end") for t in y.ticks]
    first, last = x.ticks[0], x.ticks[-1]
    reference = element("line", x1=x.begin, x2=x.end, y1=y.at(plane.reference(first)),
                        y2=y.at(plane.reference(last)), class_="reference")  # fmt: skip
    titles = [
        element("text", plane.x_label, x=(x.begin + x.end) / 2, y=288, class_="axis middle"),
        element("text", plane.y_label, x=4, y=13, class_="axis"),
    ]
    return _svg(294, label, [*grid, *names, *titles, reference, *marks])


def _dots(points: Sequence[Point], plane: Plane, kind: str) -> list[Markup]:
    x, y = plane.axes
    return [
        element("circle", element("title", f"{plane.x_label}: {number(a)}\n{plane.y_label}: {number(b)}"),
                cx=x.at(a), cy=y.at(b), r=2 if kind == "speck" else 4, class_=kind)
        for a, b in points
    ]  # fmt: skip


def _series(
    series: str, values: Sequence[float | None], names: Sequence[str], x: Axis, y: Axis, n: int, dodge: float
) -> Markup:
    points = [(i, x.at(i + 0.5) + dodge, y.at(v), v) for i, v in enumerate(values) if v is not None]
    parts = [
        element("line", x1=x1, y1=y1, x2=x2, y2=y2)
        for (i, x1, y1, _), (j, x2, y2, _) in pairwise(points)
        if j == i + 1
    ]
    parts += [
        element("circle", element("title", f"{series}, {names[i]}: {number(v)}"), cx=at, cy=height, r=3.5)
        for i, at, height, v in points
    ]
    return element("g", *parts, class_=f"series series-{n}")


def _interval(row: Interval, axis: Axis, left: float, y: float) -> Markup:
    value, low, high, baseline = map(number, (row.value, row.low, row.high, row.baseline))
    tip = element("title", f"{row.label}: {value} [{low}, {high}], baseline {baseline}")
    marks = [tip, _name(row.label, left, y)]
    if row.baseline is not None:
        at = axis.at(row.baseline)
        marks.append(element("line", x1=at, x2=at, y1=y - 7, y2=y + 7, class_="baseline"))
    if row.low is not None and row.high is not None:
        begin, end = axis.at(row.low), axis.at(row.high)
        marks.append(element("line", x1=begin, x2=end, y1=y, y2=y, class_="interval"))
    marks.append(element("circle", cx=axis.at(row.value), cy=y, r=4.5, class_="dot"))
    return element("g", *marks)


def _bar(name: str, value: float, axis: Axis, left: float, y: float) -> Markup:
    length, text = axis.at(value) - axis.begin, number(value)
    return element(
        "g",
        element("title", f"{name}: {text}"),
        _name(name, left, y),
        element("rect", x=axis.begin, y=y - 7, width=length, height=14, class_="bar"),
        element("text", text, x=axis.begin + length + 6, y=y + 4, class_="tick"),
    )


def _margin(labels: Sequence[str]) -> float:
    return 9 + LETTER * max((len(shortened(label)) for label in labels), default=0)


def _name(label: str, right: float, y: float) -> Markup:
    return element("text", shortened(label), x=right, y=y + 4, class_="name end")


def _tick(x: float, y: float, value: float, anchor: str = "middle") -> Markup:
    return element("text", f"{value:,.10g}", x=x, y=y, class_=f"tick {anchor}")


def _svg(height: float, label: str, children: Sequence[Markup]) -> Markup:
    return element("svg", *children, viewBox=f"0 0 {WIDTH} {_rounded(height)}", role="img", aria_label=label)


def _rounded(value: str | float) -> str:
    return value if isinstance(value, str) else f"{round(value, 1) + 0:g}"
