"""`accord serve`: the service of the champion, or of the candidate while there is none."""

import argparse

HELP = "serve the champion (the candidate while there is none)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", help="address to listen on (default: serving.host of the config)")
    parser.add_argument("--port", type=int, help="port to listen on (default: serving.port of the config)")


def run(arguments: argparse.Namespace) -> None:
    from accord.config import lock
    from accord.paths import BUNDLE
    from accord.promotion import releases
    from accord.serving import bento, server

    champion = releases.champion_id()
    bundle = BUNDLE if champion is None else releases.restored(champion)
    settings = lock.load().serving
    given = {name: value for name in ("host", "port") if (value := getattr(arguments, name)) is not None}
    server.serve(bento.package(bundle, settings), settings.model_copy(update=given))
