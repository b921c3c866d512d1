"""`accord replay`: sends real later rows to the running service, and their outcomes once they are known."""

import argparse
from typing import TYPE_CHECKING

from accord.commands import Told, add_url, positive
from accord.paths import Paths
from accord.terminal import Lines, lines, say

if TYPE_CHECKING:
    from accord.driving.replay import Replay

N_REASONS = 5
HELP = "send real later rows to the running service, and their outcomes once they are known"
EXAMPLE = "accord replay --from 2013-07-01 --to 2013-07-08"
TELLS = "accord.driving.replay:Replay"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--from", required=True, dest="begin", metavar="DATE", help="where the clock begins")
    parser.add_argument("--to", required=True, dest="end", metavar="DATE", help="where it ends; not included")
    parser.add_argument(
        "--rate",
        type=positive(float),
        metavar="N",
        help="rows per second (default: as fast as the service answers)",
    )
    add_url(parser)


def run(arguments: argparse.Namespace, paths: Paths) -> Told:
    from accord.config import lock
    from accord.driving import replay

    replayed = replay.run(
        lock.load(paths), arguments.url, arguments.begin, arguments.end, arguments.rate, paths
    )
    say(as_text(replayed, paths))
    return Told(replayed)


def as_text(replay: "Replay", paths: Paths) -> Lines:
    """The result for a terminal."""
    n_refused = replay.refused.total()
    said = [
        f"rows      {replay.n_rows:,} from {replay.begin} to {replay.end} UTC, {replay.n_there:,} of them in the log before",
        f"sent      {replay.n_sent:,} = {replay.n_sent - n_refused:,} logged + {n_refused:,} refused",
        *(f"refused   {n:,} x {reason}" for reason, n in replay.refused.most_common(N_REASONS)),
        f"outcomes  {replay.n_outcomes:,}",
    ]
    if replay.n_logged != replay.n_sent - n_refused:
        said.append(
            f"WARNING: {paths.traffic} has {replay.n_logged:,} more rows of the stretch, the service answered {replay.n_sent - n_refused:,}: "
            "it keeps its log elsewhere, or others asked meanwhile"
        )
    said += [f"NOTE: {words}; their rows count for no stretch" for words in replay.unread]
    if replay.seen is not None:
        said.append(
            f"NOTE: the served model was made from rows up to {replay.seen} UTC, so some of these are not new to it"
        )
    if replay.stopped is not None:
        said.append(f"Stopped at {replay.stopped:%Y-%m-%d}; run it again to go on")
    return lines(said)
