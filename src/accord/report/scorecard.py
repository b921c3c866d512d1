"""The scorecard page: each team's verdict on the candidate, and why."""

from pathlib import Path

from accord import terminal
from accord.page import words
from accord.page.shell import environment
from accord.promotion.card import Scorecard
from accord.promotion.judge import PASS


def render(card: Scorecard, data: str) -> str:
    """The page as HTML, from the scorecard and the data set's name."""
    template = environment(Path(__file__).parent).get_template("scorecard.html.j2")
    return template.render(card=card, data=data, how_sure=_how_sure(card), nth=_nth(card))


def _how_sure(card: Scorecard) -> str:
    return words.how_sure(card.n_rows["test"], card.n_blocks["test"], card.unit, card.level)


def _nth(card: Scorecard) -> str:
    """Which try the candidate is, in a sentence; empty without a champion to compare with."""
    tried = card.attempt
    if tried is None:
        return ""
    said = f"This is try {tried.n} against the champion on these rows"
    if tried.is_question:
        said = f"The same models with another policy: a question, which counts as try {tried.n} once it is to be promoted"
    return f"{said}. Its gain has to be sure at {100 * tried.level:.4g} %: the more tries, the surer."


def as_text(card: Scorecard) -> terminal.Lines:
    """The scorecard for a terminal: a line per metric, then the verdict and its reasons."""
    rows = []
    for row in card.rows:
        interval = "" if row.low is None else f" [{words.short(row.low)}, {words.short(row.high)}]"
        value = f"{words.short(row.value)}{'' if row.value is None else interval}"
        limits = ((">=", row.min), ("<=", row.max))
        limit = " ".join(f"{sign} {words.short(bound)}" for sign, bound in limits if bound is not None)
        rows.append((row.team, row.name, value, limit or "-", words.short(row.champion), row.verdict))
    against = f"against champion {card.champion}" if card.champion else "no champion yet"
    verdict = "may be promoted: accord promote" if card.verdict == PASS else "not to be promoted"
    return terminal.lines(
        [
            *terminal.table(("team", "metric", "value", "limit", "champion", "verdict"), rows),
            "",
            _how_sure(card),
            f"{card.candidate} ({against}): {verdict}",
            *([_nth(card)] if card.attempt else []),
            *(f"  - {reason}" for reason in card.reasons),
            *(f"  LEAK SUSPECT: {leak.feature} ({leak.target}): {leak.detail}" for leak in card.suspects),
            *(f"  NOTICE: {notice.target}: {notice.detail}" for notice in card.notices),
        ]
    )
