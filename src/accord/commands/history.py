"""`accord history`: the releases."""

import argparse

from accord.commands import Told
from accord.paths import Paths
from accord.terminal import columns, say

HELP = "list the releases"
EXAMPLE = "accord history"
TELLS = "accord.promotion.releases:History"


def run(arguments: argparse.Namespace, paths: Paths) -> Told:
    from accord.promotion import releases

    records = releases.history(paths)
    champion = releases.champion(paths)
    rows = []
    for record in records:
        mark = "*" if record == champion else " "
        said = f"by {record.by}: {record.reason}"
        rows.append((f"{mark} {record.at}", record.action, record.model_id, said))
    say(*columns(rows) or ["No release yet; promote a candidate: accord promote"])
    return Told(releases.History(None if champion is None else champion.model_id, records))
