"""Prints docs/retraining.md's tables: the rules of retraining from several beginnings, by models of several seeds.

    python benchmarks/retraining.py            # ten seeds, three beginnings: some 40 minutes of CPU
    python benchmarks/retraining.py --quick    # two seeds, one beginning, five months

The rules are the options of conf/retraining, played month by month by the code of `accord simulate`. All of a seed's plays share one
sandbox, so a month is trained on once, whatever rules from whatever beginnings ask for it. What a rule earns in each day is kept in a file
of lines, one a seed and beginning; a run that was broken off goes on from there. Months before a day choose the rule, those
from it on tell what it is worth.
"""

import argparse
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import machine
import numpy as np
import polars as pl
from retraining_tables import COVERED, KEPT, LOSS, MARGIN, RULES, UNJUDGED, Daily, Line, Play, report

from accord import dvc, jsonl
from accord.config import selection
from accord.data import splitting
from accord.objective import teams
from accord.paths import Paths
from accord.retraining import decision_log
from accord.retraining.rules import Training
from accord.retraining.sandbox import Model, opened
from accord.retraining.simulate import Plays, Policy, end_of, periods_of, settings_of

FOLLOWED = {LOSS: "disruption log_loss", MARGIN: "margin", COVERED: "disrupted_covered"}
"""What the simulation calls the metrics."""
WINDOW = "expanding"


def played(seed: int, beginnings: Sequence[date], until: date) -> list[Line]:
    """Plays the rules from all beginnings on, side by side."""
    paths = Paths(Path())
    with dvc.alone(paths), opened(paths) as workshop:
        chosen = selection.with_words(selection.read(paths), [f"seed={seed}"], paths.conf)
        selection.write(chosen, workshop.paths.params)
        first = workshop.train(min(beginnings), WINDOW)
        periods = periods_of(workshop.future(), workshop.config, min(beginnings), until, "1mo")
        plays = Plays(workshop, workshop.config, first, periods)
        at_work: dict[date, list[Policy]] = {}
        for i, period in enumerate(periods):
            if period.begin in beginnings:
                known = [model for model in plays.models if model.cutoff == period.begin]
                model = known[0] if known else workshop.train(period.begin, WINDOW)
                plays.add(model)
                at_work[period.begin] = begun(model, chosen, paths.conf)
            policies = [policy for group in at_work.values() for policy in group]
            for policy in policies:
                policy.served.append(policy.champion)
            end_of(period, i, policies, plays, workshop, is_last=i == len(periods) - 1)
            print(f"seed {seed}, {period.end}: {said(at_work)}", flush=True)
        earned = Earned(plays)
        return [
            Line(
                seed,
                begin,
                until,
                {p.name: earned.of(p) for p in policies} | {UNJUDGED: earned.unjudged(begin)},
            )
            for begin, policies in at_work.items()
        ]


def begun(model: Model, chosen: selection.Selection, conf: Path) -> list[Policy]:
    """The rules, each with the model that it begins with."""
    settings = {name: settings_of(chosen, name, conf) for name in RULES}
    assert {one.window for one in settings.values()} == {WINDOW}, "rules of one window share their trainings"
    start = [Training(model.cutoff, model.cpu_s or 0.0)]
    return [Policy(name, one, model, list(start)) for name, one in settings.items()]


def said(at_work: dict[date, list[Policy]]) -> str:
    return "; ".join(
        f"{begin:%b} " + ", ".join(f"{p.name} {p.records[-1].action}" for p in policies)
        for begin, policies in at_work.items()
    )


class Earned:
    """What models earn in the months of a play; each is worked out once."""

    def __init__(self, plays: Plays) -> None:
        self.plays = plays
        self._known: dict[tuple[str, int], Daily] = {}

    def of(self, policy: Policy) -> Play:
        """A rule's days: those of its champion in each month up to the last one."""
        actions = [record.action for record in policy.records]
        reasons = [[record.reason, *(record.outcome or ())] for record in policy.records]
        cpu_s = sum(record.cpu_s or 0.0 for record in policy.records)
        return Play(self._daily_of(policy.served), actions, reasons, [m.cutoff for m in policy.served], cpu_s)

    def unjudged(self, begin: date) -> Play:
        """The newest model's days in each month."""
        served = [
            max((m for m in self.plays.models if m.cutoff <= period.begin), key=lambda model: model.cutoff)
            for period in self.plays.periods
            if period.begin >= begin
        ]
        trained = list({model.cutoff: model for model in served if model.cutoff > begin}.values())
        cpu_s = sum(model.cpu_s or 0.0 for model in trained)
        actions = [decision_log.PROMOTED] * len(trained)
        return Play(self._daily_of(served), actions, [], [model.cutoff for model in served], cpu_s)

    def _daily_of(self, served: Sequence[Model]) -> Daily:
        first = len(self.plays.periods) - len(served)
        months = [self._month(model, first + i) for i, model in enumerate(served)]
        return Daily(
            [day for month in months for day in month.days],
            {name: [value for month in months for value in month.sums[name]] for name in KEPT},
            {name: [value for month in months for value in month.counts[name]] for name in KEPT},
        )

    def _month(self, model: Model, i: int) -> Daily:
        key = model.bundle.model_id, i
        if key not in self._known:
            self._known[key] = self._daily(model, i)
        return self._known[key]

    def _daily(self, model: Model, i: int) -> Daily:
        plays, config = self.plays, self.plays.config
        month, objective = plays.played({i: model}), plays.objective
        blocks = splitting.blocks(plays.periods[i].rows, config.data.dealt_by, config.data.time)
        n_rows = np.bincount(month.block, minlength=month.n_blocks).astype(float)
        n_disrupted = np.bincount(month.block, month.outcomes["disruption"], month.n_blocks)
        counts = {LOSS: n_rows, MARGIN: n_rows, COVERED: n_disrupted}
        sums = {}
        for name, followed in FOLLOWED.items():
            statistic = teams.statistic(
                followed, plays.metrics[followed], month, objective.targets, objective.policy, min_rows=1
            )
            alone = statistic(np.eye(month.n_blocks))  # each day by itself
            sums[name] = np.where(counts[name] > 0, alone * counts[name], 0.0)
            whole = statistic(np.ones((1, month.n_blocks)))[0]
            assert np.isclose(sums[name].sum() / counts[name].sum(), whole), (
                f"{followed} is no mean over rows"
            )
        days = blocks.unique().sort().cast(pl.Date).to_list()
        return Daily(
            days, {n: v.tolist() for n, v in sums.items()}, {n: v.tolist() for n, v in counts.items()}
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="two seeds, one beginning, July to November")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument(
        "--beginnings",
        nargs="+",
        type=date.fromisoformat,
        default=[date(2013, month, 1) for month in (5, 7, 9)],
        metavar="DATE",
        help="the first days of months; the first champions are trained on what comes before",
    )
    parser.add_argument(
        "--until", type=date.fromisoformat, default="2014-01-01", help="the day after the last"
    )
    parser.add_argument(
        "--turn", type=date.fromisoformat, default="2013-10-01", help="months before choose, others report"
    )  # fmt: skip
    parser.add_argument(
        "--lines", type=Path, default=Path("build/retraining.jsonl"), help="what was played so far"
    )
    parser.add_argument("--report", action="store_true", help="only of what was played")
    asked = parser.parse_args()
    if asked.quick:
        asked.seeds, asked.beginnings, asked.until = 2, [date(2013, 7, 1)], date(2013, 12, 1)
    if any(begin.day > 1 or begin >= asked.turn for begin in asked.beginnings):
        parser.error("--beginnings: expected first days of months before --turn")
    asked.lines.parent.mkdir(parents=True, exist_ok=True)

    def known() -> list[Line]:
        lines = jsonl.read(asked.lines, Line)
        return [line for line in lines if line.begin in asked.beginnings and line.until == asked.until]

    for seed in range(1, asked.seeds + 1):
        done = {line.begin for line in known() if line.seed == seed}
        missing = [begin for begin in asked.beginnings if begin not in done]
        if missing and not asked.report:
            jsonl.append(asked.lines, *played(seed, missing, asked.until))
    print(machine.described(("lightgbm", "numpy", "polars")))
    lines = whole(known(), asked.seeds, len(asked.beginnings))
    if len(lines) < 2 * len(asked.beginnings):
        parser.error("fewer than two seeds are played from all beginnings: no interval can be told")
    for text in report(lines, asked.turn):
        print(text, end="\n\n")


def whole(lines: Sequence[Line], n_seeds: int, n_beginnings: int) -> list[Line]:
    """The lines of those seeds that were played from all beginnings."""
    seeds = [line.seed for line in lines if line.seed <= n_seeds]
    return [line for line in lines if seeds.count(line.seed) == n_beginnings]


if __name__ == "__main__":
    main()
