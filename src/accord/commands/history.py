"""`accord history`: the releases."""

import argparse

from accord.terminal import say

HELP = "list the releases"


def run(arguments: argparse.Namespace) -> None:
    from accord.promotion import releases

    records = releases.history()
    for record in records:
        mark = "*" if record["model_id"] == releases.champion_id() and record is records[-1] else " "
        say(
            f"{mark} {record['at']}  {record['action']:<8}  {record['model_id']}  by {record['by']}: {record['reason']}"
        )
    if not records:
        say("No release yet; promote a candidate: accord promote")
