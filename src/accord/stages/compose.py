"""params.yaml and conf/, composed and validated, as conf.lock.yaml."""

import sys

from accord.config import compose as composing
from accord.config import lock, selection
from accord.files import write_text
from accord.stages import exit_with_message
from accord.terminal import say


def compose() -> None:
    chosen = selection.with_words(selection.read(), sys.argv[1:])
    write_text(lock.LOCK, lock.dump(composing.composed(chosen)))
    say("  compose: " + ", ".join(f"{group}={option}" for group, option in chosen.groups.items()))


if __name__ == "__main__":
    exit_with_message(compose)
