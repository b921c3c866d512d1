"""`accord history`: the releases."""

import argparse

from accord.paths import Paths
from accord.terminal import say

HELP = "list the releases"


def run(arguments: argparse.Namespace, paths: Paths) -> None:
    from accord.promotion import releases

    records = releases.history(paths)
    for record in records:
        mark = "*" if record["model_id"] == releases.champion_id(paths) and record is records[-1] else " "
        say(
            f"{mark} {record['at']}  {record['action']:<8}  {record['model_id']}  by {record['by']}: {record['reason']}"
        )
    if not records:
        say("No release yet; promote a candidate: accord promote")
