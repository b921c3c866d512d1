"""The `accord` command. Each subcommand is a function here that calls the part of the package that does the work."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any, TypeVar

from accord import __version__
from accord.errors import AccordError
from accord.stages import exit_with_message
from accord.terminal import foreign, say

DESCRIPTION = "Machine learning on tabular data where every team has a seat."
WORDS = "group=option, such as model=linear; key=value, such as model.C=0.1; or a preset, such as experiment=quick"

URL = "http://127.0.0.1:3000"

N = TypeVar("N", int, float)


def main(arguments: Sequence[str] | None = None) -> None:
    parsed = parser().parse_args(arguments)

    def work() -> None:
        os.chdir(project_root())
        if parsed.command in ALONE:
            from accord import dvc

            with dvc.alone():
                parsed.command(parsed)
        else:
            parsed.command(parsed)

    exit_with_message(work)


class Parser(argparse.ArgumentParser):
    """One that quotes what was typed without obeying it."""

    def _print_message(self, message: str, file: Any = None) -> None:
        say(foreign(message), file=file or sys.stderr, end="")


def parser() -> argparse.ArgumentParser:
    top = Parser(prog="accord", description=DESCRIPTION)
    top.add_argument("--version", action="version", version=f"accord {__version__}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(function: object, name: str, does: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=does, description=does[0].upper() + does[1:] + ".")
        added.set_defaults(command=function)
        return added

    added = command(run, "run", "select, reproduce the pipeline, package the model, measure and judge it")
    added.add_argument("words", nargs="*", metavar="WORD", help=WORDS)
    command(
        measure,
        "measure",
        "latency, throughput, memory and cost of the packaged service, champion beside candidate",
    )
    command(judge, "judge", "the scorecard of the candidate: a verdict for each team")
    command(report, "report", "write the pages again, from what lies in reports/ and models/")
    added = command(promote, "promote", "make the candidate the champion if the verdict allows")
    added.add_argument(
        "--reason", help="promote against the verdict, or without one, for this reason, which is kept"
    )
    added.add_argument("--commit", action="store_true", help="commit what it wrote")
    added = command(rollback, "rollback", "make an earlier release the champion again")
    added.add_argument(
        "model", nargs="?", metavar="MODEL", help="the release to go back to (default: the one before)"
    )
    added.add_argument("--reason", help="why; it is kept")
    command(history, "history", "list the releases")
    added = command(tradeoff, "tradeoff", "who wins and who loses as the policy's weights move")
    added.add_argument("--weight", metavar="NAME", help="the weight to move (default: the policy's first)")
    added.add_argument("--from", type=float, dest="begin", metavar="A", help="its first value (default: 0)")
    added.add_argument(
        "--to", type=float, dest="end", metavar="B",
        help="its last value (default: 1 if the shipped value is between 0 and 1, else twice that value)",
    )  # fmt: skip
    added.add_argument("--steps", type=int, default=21, metavar="N", help="how many values (default: 21)")
    added.add_argument(
        "--experiments", action="store_true", help="put the workspace and all DVC experiments beside them"
    )
    command(package, "package", "build the Bento of models/bundle, unless it exists")
    added = command(serve, "serve", "serve the champion (the candidate while there is none)")
    added.add_argument("--host", help="address to listen on (default: serving.host of the config)")
    added.add_argument("--port", type=int, help="port to listen on (default: serving.port of the config)")
    added = command(predict, "predict", "predict a CSV or Parquet file, with the same bits as the service")
    added.add_argument(
        "input", type=absolute, metavar="INPUT", help="rows with the columns of the data contract"
    )
    added.add_argument(
        "output", type=absolute, metavar="OUTPUT", help="the rows with a column a target; .csv or .parquet"
    )
    added.add_argument(
        "--explain", action="store_true", help="add what each feature contributes, as target|feature"
    )
    command(traffic, "traffic", "move the service's log on to where it is kept, and tell what it holds")
    added = command(outcomes, "outcomes", "log the outcomes of a CSV or Parquet file, without a service")
    added.add_argument(
        "file",
        type=absolute,
        metavar="FILE",
        help="rows with prediction_id, or the key's columns, and every outcome column",
    )
    added = command(
        replay,
        "replay",
        "send real later rows to the running service, and their outcomes once they are known",
    )
    added.add_argument("--from", required=True, dest="begin", metavar="DATE", help="where the clock begins")
    added.add_argument("--to", required=True, dest="end", metavar="DATE", help="where it ends; not included")
    added.add_argument(
        "--rate",
        type=positive(float),
        metavar="N",
        help="rows a second (default: as fast as the service answers)",
    )
    added.add_argument("--url", default=URL, help="the service (default: %(default)s)")
    command(collect, "collect", "put predictions whose outcomes are known into data/batches, for training")
    added = command(forget, "forget", "erase a person's rows from the service's log and from batches")
    added.add_argument(
        "key",
        metavar="KEY",
        help="the person's value of data.subject, or a row's key where the config names none",
    )
    added = command(load, "load", "ask the service at a set rate, and tell the latency that callers see")
    added.add_argument("--rate", type=positive(float), required=True, metavar="R", help="requests a second")
    added.add_argument(
        "--for", type=positive(float), required=True, dest="seconds", metavar="SECONDS", help="how long"
    )
    added.add_argument("--url", default=URL, help="the service (default: %(default)s)")
    added.add_argument(
        "--connections", type=positive(int), default=64, metavar="N",
        help="how many requests may be under way at a time (default: %(default)s)",
    )  # fmt: skip
    added.add_argument(
        "--rows-per-request", type=positive(int), default=1, metavar="N", help="default: %(default)s"
    )
    added = command(
        monitor, "monitor", "has the traffic changed, do the models still hold: reports and a decision; exit code 3 tells of alarms",
    )  # fmt: skip
    added.add_argument(
        "--from",
        type=date.fromisoformat,
        dest="begin",
        metavar="DATE",
        help="the first day, such as 2013-07-01",
    )
    added.add_argument(
        "--to", type=date.fromisoformat, dest="end", metavar="DATE", help="the last day, included"
    )
    added.add_argument(
        "--rows",
        type=positive(int),
        metavar="N",
        help="the latest rows (default: monitoring.window of the config)",
    )
    added.add_argument(
        "--no-reports", action="store_true", help="decide, without Evidently's reports, which take longer"
    )
    added = command(explain, "explain", "one prediction of the service's log: from what, by what, and why")
    added.add_argument("prediction_id", metavar="PREDICTION_ID", help="as the service answered it")
    added.add_argument(
        "--all", action="store_true", help="every feature's contribution, not the largest only"
    )
    added = command(
        retrain, "retrain", "train anew if the rule says so, judge the model, promote it if it is better"
    )
    added.add_argument("--now", action="store_true", help="whatever the rule says")
    added.add_argument(
        "--cutoff", type=date.fromisoformat, metavar="DATE",
        help="the day before which the new rows end (default: where the window of accord monitor ends)",
    )  # fmt: skip
    added = command(
        simulate, "simulate", "play the months after the cutoff with several rules of retraining side by side"
    )
    added.add_argument(
        "--from",
        type=date.fromisoformat,
        dest="begin",
        metavar="DATE",
        help="the first day (default: data.split.cutoff)",
    )
    added.add_argument(
        "--to",
        type=date.fromisoformat,
        dest="end",
        metavar="DATE",
        help="the day after the last (default: the rows' end)",
    )
    added.add_argument(
        "--period", default="1mo", metavar="STRETCH", help="how often it is decided (default: %(default)s)"
    )
    added.add_argument(
        "--policies", default="never,always,schedule,drift,quality", metavar="NAMES",
        help="options of conf/retraining; the first is what the others are compared with (default: %(default)s)",
    )  # fmt: skip
    return top


def positive(kind: type[N]) -> Callable[[str], N]:
    """Reads a number above zero."""

    def number(text: str) -> N:
        value = kind(text)
        if not 0 < value < float("inf"):
            raise argparse.ArgumentTypeError(f"{text} is not above 0")
        return value

    return number


def absolute(path: str) -> Path:
    """The path as it was meant, before the program goes to the project's root."""
    return Path(path).absolute()


def project_root(start: Path | None = None) -> Path:
    """The folder, this one or one above, that holds dvc.yaml and params.yaml."""
    here = (start or Path.cwd()).absolute()
    for folder in (here, *here.parents):
        if (folder / "dvc.yaml").is_file() and (folder / "params.yaml").is_file():
            return folder
    raise AccordError(
        f"No project here: {here} and the folders above hold no dvc.yaml with a params.yaml; change into one"
    )


def run(arguments: argparse.Namespace) -> None:
    if arguments.words:
        select(arguments.words)
    from accord import pipeline

    tag, _ = pipeline.candidate()
    say("", f"Packaged   {tag}")
    say("Look at    reports/scorecard.html, reports/index.html, reports/model_card.md")
    say("Serve it   make serve")


def measure(arguments: argparse.Namespace) -> None:
    from accord.config import lock
    from accord.serving import measuring

    say(measuring.as_text(measuring.measure(lock.load().serving)))


def judge(arguments: argparse.Namespace) -> None:
    from accord import judging
    from accord.config import lock
    from accord.report import pages

    card = judging.judge_candidate(lock.load())
    pages.write_of_run()
    say(judging.as_text(card))


def report(arguments: argparse.Namespace) -> None:
    from accord.report import pages

    say(f"Wrote {', '.join(map(str, pages.write()))}")


def promote(arguments: argparse.Namespace) -> None:
    from accord import releases
    from accord.files import read_json
    from accord.paths import SCORECARD

    record = releases.uncommitted() if arguments.commit else None
    if record is None:
        record = releases.promote(read_json(SCORECARD) if SCORECARD.exists() else None, arguments.reason)
    say(f"{record['model_id']} is the champion: {record['reason']}")
    if not arguments.commit:
        say("Commit it: git add models && git commit")
        return
    releases.commit(f"Promote {record['model_id']}: {record['reason']}")
    say("Committed")


def rollback(arguments: argparse.Namespace) -> None:
    from accord import releases
    from accord.config import lock
    from accord.serving import packaging

    record = releases.rollback(arguments.model, arguments.reason)
    tag = packaging.package(releases.restored(record["model_id"]), lock.load().serving)
    say(
        f"{record['model_id']} is the champion again; a running service takes it up by itself, or serve {tag}"
    )


def history(arguments: argparse.Namespace) -> None:
    from accord import releases

    records = releases.history()
    for record in records:
        mark = "*" if record["model_id"] == releases.champion_id() and record is records[-1] else " "
        say(
            f"{mark} {record['at']}  {record['action']:<8}  {record['model_id']}  by {record['by']}: {record['reason']}"
        )
    if not records:
        say("No release yet; promote a candidate: accord promote")


def tradeoff(arguments: argparse.Namespace) -> None:
    from accord import paths
    from accord import tradeoff as trading
    from accord.config import lock
    from accord.files import write_json, write_text
    from accord.report import tradeoff as page

    report = trading.of_candidate(
        lock.load(), arguments.weight, arguments.begin, arguments.end, arguments.steps, arguments.experiments
    )
    write_json(paths.TRADEOFF, report)
    write_text(paths.TRADEOFF_PAGE, page.render(report))
    say(trading.as_text(report), "", f"Wrote {paths.TRADEOFF_PAGE} and {paths.TRADEOFF}")


def select(words: Sequence[str]) -> None:
    """Puts the words into params.yaml once the whole config has proved valid with them."""
    from accord.config import compose, selection

    chosen = selection.with_words(selection.read(), words)
    compose.composed(chosen)
    selection.write(chosen)
    for note in chosen.notes:
        say(note)


def package(arguments: argparse.Namespace) -> None:
    from accord.config import lock
    from accord.paths import BUNDLE
    from accord.serving import packaging

    say(packaging.package(BUNDLE, lock.load().serving))


def serve(arguments: argparse.Namespace) -> None:
    from accord import releases
    from accord.config import lock
    from accord.paths import BUNDLE
    from accord.serving import packaging, server

    champion = releases.champion_id()
    bundle = BUNDLE if champion is None else releases.restored(champion)
    settings = lock.load().serving
    given = {name: value for name in ("host", "port") if (value := getattr(arguments, name)) is not None}
    server.serve(packaging.package(bundle, settings), settings.model_copy(update=given))


def predict(arguments: argparse.Namespace) -> None:
    from accord import batch, bundle
    from accord.paths import BUNDLE

    n_rows = batch.predict(bundle.load(BUNDLE), arguments.input, arguments.output, arguments.explain)
    say(f"{n_rows:,} rows to {arguments.output}")


def traffic(arguments: argparse.Namespace) -> None:
    from accord.config import lock
    from accord.paths import TRAFFIC
    from accord.traffic import housekeeping, overview

    settings = lock.load().serving.traffic
    kept = housekeeping.keep_house(TRAFFIC, settings, wait_s=60)
    if kept is None:
        raise AccordError(
            f"Another process has been keeping house in {TRAFFIC} for a minute; try again later"
        )
    say(overview.as_text(TRAFFIC, settings, kept))


def outcomes(arguments: argparse.Namespace) -> None:
    from accord import intake
    from accord.config import lock
    from accord.paths import TRAFFIC

    config = lock.load()
    n_outcomes = intake.from_file(arguments.file, TRAFFIC, config.data, config.serving)
    say(f"{n_outcomes:,} outcomes to {TRAFFIC}")


def replay(arguments: argparse.Namespace) -> None:
    from accord import replaying
    from accord.config import lock

    found = replaying.run(lock.load(), arguments.url, arguments.begin, arguments.end, arguments.rate)
    say(replaying.as_text(found))


def collect(arguments: argparse.Namespace) -> None:
    from accord import batches
    from accord.config import lock

    say(batches.as_text(batches.collect(lock.load())))


def forget(arguments: argparse.Namespace) -> None:
    from accord.config import lock
    from accord.paths import BATCHES, TRAFFIC
    from accord.traffic import forget as forgetting

    config = lock.load()
    record = forgetting.forget(TRAFFIC, BATCHES, config.serving.traffic, config.data, arguments.key)
    say(forgetting.as_text(record, BATCHES))


def load(arguments: argparse.Namespace) -> None:
    from accord.serving import load as loading

    found = loading.run(
        arguments.url, arguments.rate, arguments.seconds, arguments.connections, arguments.rows_per_request
    )
    say(loading.as_text(found))


def monitor(arguments: argparse.Namespace) -> None:
    from accord import paths
    from accord.config import lock
    from accord.monitoring import run as monitoring

    begin, end, n_rows = arguments.begin, arguments.end, arguments.rows
    if n_rows is not None and (begin or end):
        raise AccordError("--rows counts back from the latest row; expected it without --from and --to")
    if begin and end and begin > end:
        raise AccordError(f"--from {begin} is after --to {end}; turn them round")
    asked = monitoring.Asked(begin, None if end is None else end + timedelta(days=1), n_rows)
    decision, folder, said = monitoring.monitor(lock.load(), asked, not arguments.no_reports)
    say(monitoring.as_text(decision), "", *said, f"Wrote {folder}/index.html and {paths.DECISION}")
    sys.exit(monitoring.ALARM if decision.alarms else monitoring.QUIET)


def explain(arguments: argparse.Namespace) -> None:
    from accord import explaining
    from accord.config import lock

    explanation = explaining.explain(arguments.prediction_id, lock.load().serving.traffic)
    say(explaining.as_text(explanation, arguments.all))


def retrain(arguments: argparse.Namespace) -> None:
    from accord.retraining import run as retraining

    say(retraining.as_text(retraining.retrain(arguments.now, arguments.cutoff)))


def simulate(arguments: argparse.Namespace) -> None:
    from accord import paths
    from accord.files import write_json, write_text
    from accord.report import simulation as page
    from accord.retraining import simulation

    report = simulation.simulate(
        arguments.policies.split(","), arguments.begin, arguments.end, arguments.period
    )
    write_json(paths.SIMULATION, report)
    write_text(paths.SIMULATION_PAGE, page.render(report))
    say(simulation.as_text(report), "", f"Wrote {paths.SIMULATION_PAGE} and {paths.SIMULATION}")


ALONE = {run, measure, judge, promote, rollback, tradeoff, package, collect, retrain, simulate}
"""The commands that read or write what the pipeline makes: one works at a time, on what is whole."""
