"""`accord history`: the releases."""

import argparse

from accord.paths import Paths
from accord.terminal import columns, say

HELP = "list the releases"


def run(arguments: argparse.Namespace, paths: Paths) -> None:
    from accord.promotion import releases

    records = releases.history(paths)
    champion = releases.champion(paths)
    rows = []
    for record in records:
        mark = "*" if record == champion else " "
        said = f"by {record.by}: {record.reason}"
        rows.append((f"{mark} {record.at}", record.action, record.model_id, said))
    say(*columns(rows) or ["No release yet; promote a candidate: accord promote"])
