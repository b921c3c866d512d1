"""`accord serve`: the service of the champion, or of the candidate while there is none."""

import argparse

from accord.paths import Paths

HELP = "serve the champion (the candidate while there is none)"
EXAMPLE = "accord serve --port 3100"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", help="address to listen on (default: serving.host of the config)")
    parser.add_argument("--port", type=int, help="port to listen on (default: serving.port of the config)")
    parser.add_argument("--data", metavar="NAME", help="the data set of the champion, if another is selected")


def run(arguments: argparse.Namespace, paths: Paths) -> None:
    from accord.config import lock
    from accord.promotion import data_sets, releases
    from accord.serving import bento, listening, server

    config = lock.load(paths)
    champion, data, settings = releases.champion_id(paths), arguments.data or config.data.name, config.serving
    if champion is None:
        data_sets.check_candidate(data, paths)
    else:
        data_sets.check_champion(data, paths, "Serve it all the same: accord serve --data {}")
    bundle = paths.bundle if champion is None else releases.restored(champion, paths)
    given = {name: value for name in ("host", "port") if (value := getattr(arguments, name)) is not None}
    chosen = listening.checked(settings.model_copy(update=given))
    server.serve(bento.package(bundle, settings, paths), chosen, paths)
