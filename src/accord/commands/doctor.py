"""`accord doctor`: what is damaged in this project, and what to do."""

import argparse
from functools import partial

from accord.commands import Told, positive
from accord.paths import Paths
from accord.terminal import complain, say

HELP = "name what is damaged in this project, and the command that mends it; exit code 1 if something is"
EXAMPLE = "accord doctor --fix"
TELLS = "accord.doctor.finding:Examined"
ON_DAMAGE = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--fix",
        action="store_true",
        help="mend what can be mended without a loss, say what was done, and look again",
    )
    parser.add_argument(
        "--seconds", type=positive(float), default=60.0,
        help="how long at most the bytes of DVC's objects are compared with their hashes (default: %(default)g)",
    )  # fmt: skip


def run(arguments: argparse.Namespace, paths: Paths) -> Told:
    from accord.doctor import examination
    from accord.doctor.finding import Damage, Examined

    look = partial(examination.treat, say=say) if arguments.fix else examination.examine
    found = look(paths, arguments.seconds)
    complain(*(f"Note: {note}" for note in found.notes))
    say(*(finding.line() for finding in found.findings), examination.count(found.findings))
    damaged = [
        Damage(one.what, one.found, one.means, one.mend, one.fix is not None) for one in found.findings
    ]
    return Told(Examined(damaged, found.notes), 1 if found.findings else 0)
