"""The plays of retraining.py, and the tables that it prints of them.

A difference of two rules is taken within a seed and a beginning, and averaged over both. Its interval allows for other seeds and
other days: the squares of its half-widths over seeds (Student's t) and over days (`accord.intervals`, of the mean over
seeds) add up, as in two-way clustering (Cameron, Gelbach and Miller 2011), without taking off what both have in common; so it is
a little wide. Beginnings are taken as they are.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from accord import intervals
from accord.bootstrap import Blocks
from accord.retraining import decision_log

RULES = ("never", "always", "schedule", "drift", "quality")
NEVER, DEFAULT = "never", "quality"
UNJUDGED = "always, unjudged"
"""Each month is served by the model that was trained at its beginning, whatever the judge said of it."""
SHOWN = (*RULES, UNJUDGED)
LOSS, MARGIN, COVERED, SCORE = "log loss", "margin", "covered", "score"
KEPT = (LOSS, MARGIN, COVERED)
"""Metrics that are means: the last one over disrupted rows, the others over all rows."""
WEIGHTS = {MARGIN: 0.7 / 1000, COVERED: 0.3 / 0.1}
"""What makes up the score by conf/objective/balanced.yaml."""
FORMS = {LOSS: ".4f", MARGIN: ",.0f", COVERED: ".1%", SCORE: ".2f"}
LEVEL = 0.95


@dataclass(frozen=True)
class Daily:
    """What is earned on each day: by metric the sum and what it is divided by, each (n_days,)."""

    days: list[date]
    sums: dict[str, list[float]]
    counts: dict[str, list[float]]


@dataclass(frozen=True)
class Play:
    """A rule from a beginning on."""

    daily: Daily
    actions: list[str]
    """At each month's end."""
    reasons: list[list[str]]
    """Of the rule, and of the judge where there was a training."""
    cutoffs: list[date]
    """Of the model that served each month."""
    cpu_s: float
    """Processor seconds of the trainings that it asked for."""


@dataclass(frozen=True)
class Line:
    """All rules from a beginning on, by models of one seed."""

    seed: int
    begin: date
    until: date
    rules: dict[str, Play]


class Part:
    """The days from `begin` on and before `end`, of lines of all seeds from all beginnings."""

    def __init__(self, lines: Sequence[Line], begin: date, end: date) -> None:
        self.beginnings = sorted({line.begin for line in lines})
        by_begin = {
            first: sorted((line for line in lines if line.begin == first), key=lambda line: line.seed)
            for first in self.beginnings
        }
        daily = by_begin[self.beginnings[0]][0].rules[NEVER].daily
        self.days = [day for day in daily.days if begin <= day < end]
        self.drawn = intervals.nudged(len(self.days))
        self._values = {
            (rule, metric): np.array(
                [[self._mean(one.rules[rule].daily, metric) for one in of] for of in by_begin.values()]
            )
            for rule in SHOWN
            for metric in KEPT
        }

    def _mean(self, daily: Daily, metric: str) -> np.ndarray:
        """The metric (1 + 2 n_days,) as often as `intervals.nudged` counts each day: first once."""
        each = zip(daily.days, daily.sums[metric], daily.counts[metric], strict=True)
        known = {day: (total, count) for day, total, count in each}
        sums, counts = np.array([known.get(day, (0.0, 0.0)) for day in self.days]).T
        return (self.drawn @ sums) / (self.drawn @ counts)

    def values(self, rule: str, metric: str) -> np.ndarray:
        """(n_beginnings, n_seeds, 1 + 2 n_days)."""
        if metric == SCORE:
            return sum(weight * self._values[rule, name] for name, weight in WEIGHTS.items())
        return self._values[rule, metric]

    def mean(self, rule: str, metric: str) -> float:
        return float(self.values(rule, metric)[:, :, 0].mean())

    def apart(self, rule: str, other: str, metric: str) -> np.ndarray:
        """By seed, how far two rules are apart, the mean over beginnings: (n_seeds, 1 + 2 n_days)."""
        return (self.values(rule, metric) - self.values(other, metric)).mean(axis=0)

    def half_widths(self, apart: np.ndarray) -> tuple[float, float]:
        """Of the interval of the mean over seeds: what other days, and what other seeds would change."""
        at = np.array([day.toordinal() for day in self.days], dtype=float)
        estimate = intervals.estimated(apart.mean(axis=0), Blocks(len(self.days), at), LEVEL)
        over_days = 0.0 if estimate.high is None else estimate.high - estimate.value
        quantile = intervals.t_quantile((1 + LEVEL) / 2, len(apart) - 1)
        return over_days, float(quantile * apart[:, 0].std(ddof=1) / np.sqrt(len(apart)))

    def said(self, rule: str, other: str, metric: str) -> str:
        """How far two rules are apart, with its interval."""
        apart = self.apart(rule, other, metric)
        if not apart.any():
            return "0"
        value, half = apart[:, 0].mean(), np.hypot(*self.half_widths(apart))
        low, high = (f"{end:+{FORMS[metric]}}" for end in (value - half, value + half))
        return f"{value:+{FORMS[metric]}} [{low}, {high}]"

    def __str__(self) -> str:
        return f"{self.days[0]:%b} to {self.days[-1]:%b}"


def table(rows: Sequence[Sequence[str]], head: Sequence[str]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows))


def earned(metric: str, parts: Sequence[Part]) -> str:
    """What each rule earns, and how far it is from `never`."""
    rows = []
    for rule in SHOWN:
        cells = [rule]
        for of in parts:
            against = "" if rule == NEVER else of.said(rule, NEVER, metric)
            cells += [f"{of.mean(rule, metric):{FORMS[metric]}}", against]
        rows.append(cells)
    head = ["rule", *(cell for of in parts for cell in (f"{metric}, {of}", "against never"))]
    return table(rows, head)


def pairs(rule: str, of: Part) -> str:
    """How far a rule is from the others, and how much of that seeds and days could change."""
    rows = []
    for other in SHOWN:
        if other != rule:
            found = of.apart(rule, other, LOSS)
            n_better = int((found[:, 0] < 0).sum())
            cells = [of.said(rule, other, metric) for metric in (LOSS, MARGIN, SCORE)]
            halves = [f"{half:.4f}" for half in of.half_widths(found)]
            rows.append([other, *cells, f"{n_better} of {len(found)}", *halves])
    head = [f"{rule} against", LOSS, MARGIN, SCORE, "seeds with less log loss", "its half-width by days", "by seeds"]  # fmt: skip
    return table(rows, head)


def by_beginning(of: Part) -> str:
    """How far log loss is from that of `never` for each beginning: the mean over seeds, and their standard deviation."""
    rows = []
    for rule in SHOWN[1:]:
        found = (of.values(rule, LOSS) - of.values(NEVER, LOSS))[:, :, 0]
        cells = (f"{one.mean():+.4f} ({one.std(ddof=1):.4f})" if one.any() else "0" for one in found)
        rows.append([rule, *cells])
    return table(rows, [f"log loss, {of}, from", *(f"{day:%b %-d}" for day in of.beginnings)])


def costs(lines: Sequence[Line]) -> str:
    """What each rule asked for in a play: the mean, the least and the most."""
    rows = []
    for rule in SHOWN:
        plays = [line.rules[rule] for line in lines]
        promoted = [play.actions.count(decision_log.PROMOTED) for play in plays]
        refused = [play.actions.count(decision_log.REFUSED) for play in plays]
        trained = np.add(promoted, refused)
        cells = [spread(values) for values in (trained, [play.cpu_s for play in plays], promoted, refused)]
        n_changed = sum(bool(n) for n in promoted)
        rows.append([rule, *cells, f"{n_changed} of {len(plays)}"])
    return table(
        rows, ["rule", "trainings", "CPU s", "promoted", "refused", "plays with another model at the end"]
    )


def spread(values: Sequence[float]) -> str:
    return f"{np.mean(values):.1f} ({np.min(values):.0f} to {np.max(values):.0f})"


def promotions(lines: Sequence[Line]) -> str:
    """The months at whose beginning a model was promoted, and for how many seeds."""
    rows = []
    for begin in sorted({line.begin for line in lines}):
        plays = {rule: [line.rules[rule] for line in lines if line.begin == begin] for rule in RULES[1:]}
        rows.append([f"{begin:%b %-d}", *(promoted(of, begin) for of in plays.values())])
    return table(rows, ["from", *RULES[1:]])


def promoted(plays: Sequence[Play], begin: date) -> str:
    each = [cutoff for play in plays for cutoff in {*play.cutoffs} if cutoff > begin]
    return ", ".join(f"{day:%b} {each.count(day)}" for day in sorted({*each}))


def occasions(lines: Sequence[Line]) -> str:
    """What the rules found at the ends of months, those at which nothing could be trained any more left out."""
    rows = []
    for rule in ("drift", "quality"):
        found = [reasons[0] for line in lines for reasons in line.rules[rule].reasons[:-1]]
        rows += [[rule, reason, f"{found.count(reason)} of {len(found)}"] for reason in sorted({*found})]
    return table(rows, ["rule", "found", "ends of months"])


def refusals(lines: Sequence[Line]) -> str:
    """Why the judge refused models, by who said so: a model may be refused for several reasons."""
    rows = []
    for rule in RULES[1:]:
        found = [
            {reason.partition(":")[0] for reason in reasons[1:]}
            for line in lines
            for action, reasons in zip(line.rules[rule].actions, line.rules[rule].reasons, strict=True)
            if action == decision_log.REFUSED
        ]
        whose = [one for reasons in found for one in reasons]
        counts = ", ".join(
            f"{name} {whose.count(name)}" for name in sorted({*whose}, key=whose.count, reverse=True)
        )
        rows.append([rule, str(len(found)), counts])
    return table(rows, ["rule", "refused", "because of"])


def seeds(parts: Sequence[Part]) -> str:
    """How far seeds are apart: standard deviations over them."""
    found: list[tuple[str, Callable[[Part, str], np.ndarray]]] = [
        (LOSS, lambda of, rule: of.values(rule, LOSS).mean(axis=0)),
        ("against never", lambda of, rule: of.apart(rule, NEVER, LOSS)),
    ]
    rows = [
        [rule, *(f"{of_seeds(of, rule)[:, 0].std(ddof=1):.4f}" for of in parts for _, of_seeds in found)]
        for rule in SHOWN
    ]
    return table(rows, ["sd over seeds", *(f"{name}, {of}" for of in parts for name, _ in found)])


def months(lines: Sequence[Line]) -> str:
    """Log loss of each month, the mean over seeds and over the beginnings before it."""
    begins = sorted({day.replace(day=1) for line in lines for day in line.rules[NEVER].daily.days})
    of_months = [
        Part(
            [line for line in lines if line.begin <= begin],
            begin,
            (begin + timedelta(31)).replace(day=1),
        )
        for begin in begins
    ]
    rows = [[rule, *(f"{of.mean(rule, LOSS):.4f}" for of in of_months)] for rule in SHOWN]
    return table(rows, [LOSS, *(f"{begin:%b}" for begin in begins)])


def report(lines: Sequence[Line], turn: date) -> Iterator[str]:
    """The tables: the rule is chosen by the months before `turn`, and those from it on tell what it is worth."""
    before, after = Part(lines, date.min, turn), Part(lines, turn, date.max)
    n_seeds = len({line.seed for line in lines})
    yield f"{n_seeds} seeds, {len(before.beginnings)} beginnings, {len(before.days)} days that choose and {len(after.days)} that report"
    chosen = min(RULES, key=lambda rule: before.mean(rule, LOSS))
    each = [min(RULES, key=lambda rule, i=i: before.values(rule, LOSS)[:, i, 0].mean()) for i in range(n_seeds)]  # fmt: skip
    yield f"Least log loss in the months that choose: {chosen}; seed by seed: {', '.join(each)}"
    for metric in (LOSS, MARGIN, COVERED, SCORE):
        yield earned(metric, (before, after))
    for of in (before, after):
        yield f"{of}:"
        for rule in dict.fromkeys((chosen, DEFAULT)):
            yield pairs(rule, of)
        yield by_beginning(of)
    yield from (
        costs(lines),
        promotions(lines),
        occasions(lines),
        refusals(lines),
        seeds((before, after)),
        months(lines),
    )
