"""`accord collect`: writes predictions whose outcomes are known to batches for training."""

import argparse
from typing import TYPE_CHECKING

from accord.commands import Told
from accord.paths import Paths
from accord.terminal import Lines, lines, say

if TYPE_CHECKING:
    from accord.retraining.collect import Collected

HELP = "put predictions whose outcomes are known into data/batches, for training"
EXAMPLE = "accord collect"
TELLS = "accord.retraining.collect:Collected"
ALONE = True


def run(arguments: argparse.Namespace, paths: Paths) -> Told:
    from accord.config import lock
    from accord.retraining import collect

    collected = collect.collect(lock.load(paths), paths)
    say(as_text(collected, paths))
    return Told(collected)


def as_text(collected: "Collected", paths: Paths) -> Lines:
    waiting = f"{collected.n_unknown:,} predictions have no outcome yet"
    left_out = [
        f"WARNING: {words}; rows with such a value are left out. Collect them with the config that they were logged under"
        for words in collected.unread
    ]
    if collected.file is None:
        return lines([f"Nothing new to collect; {waiting}", *left_out])
    corrected = f", {collected.n_corrected:,} of them corrected," if collected.n_corrected else ""
    said = [f"{collected.n_rows:,} rows{corrected} to {collected.file}; {waiting}", *left_out]
    said += [
        f"WARNING: '{name}' is missing in {n:,} of them, and the contract wants a value: they would go to quarantine"
        for name, n in collected.lacking.items()
    ]
    return lines([*said, f"Commit its pointer: git add {paths.batches} && git commit"])
