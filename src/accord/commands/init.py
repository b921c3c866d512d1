"""`accord init`: the clone becomes the adopter's project."""

import argparse

from accord.paths import Paths
from accord.terminal import say

HELP = "make this clone of the template a project of your own"
EXAMPLE = "accord init loans"
ALONE = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "name", metavar="NAME", help="of the project, and of the package in src for your code"
    )
    parser.add_argument(
        "--keep-example", action="store_true", help="go on with the flights and their objectives for now"
    )


def run(arguments: argparse.Namespace, paths: Paths) -> None:
    from accord.adoption import adopt

    plan = adopt.adopt(arguments.name, arguments.keep_example, paths)
    say(
        f"This is the project {plan.name} now; it selects {plan.groups['data']} with the objective {plan.groups['objective']}"
    )
    say(
        f"Yours      {paths.readme}, {paths.root / 'src' / plan.name}, {paths.root / 'tests' / plan.name}, {paths.conf}, {paths.params}"
    )
    if not plan.keeps_example:
        say(f"Example    {paths.example} has its files, to read; nothing uses them")
    if plan.drops_made and paths.traffic.exists():
        say(
            f"Left       {paths.traffic} has what a service of the example logged; remove it if you don't need it"
        )
    say(f"Commit it  git add --all && git commit --message 'The project {plan.name}'")
    say("Go on      make run, or put your own data in: docs/your-project.md")
