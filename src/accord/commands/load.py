"""`accord load`: requests at a set rate, and the latency that callers see."""

import argparse
from typing import TYPE_CHECKING

from accord.commands import Told, add_url, positive
from accord.paths import Paths
from accord.terminal import Lines, lines, say

if TYPE_CHECKING:
    from accord.driving.load import Load

HELP = "ask the service at a set rate, and tell the latency that callers see"
EXAMPLE = "accord load --rate 200 --for 5"
TELLS = "accord.driving.load:Summary"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rate", type=positive(float), required=True, metavar="R", help="requests a second")
    parser.add_argument(
        "--for", type=positive(float), required=True, dest="seconds", metavar="SECONDS", help="how long"
    )
    add_url(parser)
    parser.add_argument(
        "--connections",
        type=positive(int),
        default=64,
        metavar="N",
        help="how many requests may be under way at a time (default: %(default)s)",
    )
    parser.add_argument(
        "--rows-per-request", type=positive(int), default=1, metavar="N", help="default: %(default)s"
    )


def run(arguments: argparse.Namespace, paths: Paths) -> Told:
    from accord.driving import load

    measured = load.run(
        arguments.url,
        arguments.rate,
        arguments.seconds,
        arguments.connections,
        arguments.rows_per_request,
        paths,
    )
    say(as_text(measured))
    return Told(measured.summary)


def as_text(load: "Load") -> Lines:
    """The result for a terminal."""
    import numpy as np

    from accord.driving.load import GOOD

    said = [
        f"asked       {load.rate:,g} requests/s for {load.seconds:.3g} s, on up to {load.connections} connections",
        f"answered    {load.per_second:,.1f} requests/s: {load.answers[GOOD]:,} requests in {load.elapsed_s:.3g} s",
    ]
    if load.latency_ms:
        figures = "  ".join(
            f"{name} {value:,.{2 if value < 10 else 0}f}" for name, value in load.latency_ms.items()
        )
        said.append(f"latency_ms  {figures}  (from when each request was due)")
    for kind, n in load.answers.most_common():
        if kind != GOOD:
            said.append(f"not         {n:,} x {kind}: {load.reasons[kind]}".rstrip(": "))
    if load.n_unsent:
        said.append(
            f"not         {load.n_unsent:,} never sent, since all connections were busy; their latency counts up to then"
        )
    if not load.keeps_up:
        said.append(
            f"The client did not keep time: it was called up to {np.quantile(load.late_s, 0.99) * 1000:.1f} ms late (p99) and took "
            f"{load.cpu_s / load.elapsed_s:.0%} of a core, so part of these latencies is its own. Ask at a lower rate, from another machine, or when this one is idle"
        )
    return lines(said)
