"""params.yaml and conf/, composed and validated, as conf.lock.yaml, and each stage's slice of it."""

import sys
from pathlib import Path

from accord.config import lock, selection, slices
from accord.config.compose import fitted
from accord.files import replacing, write_text
from accord.paths import Paths
from accord.program import exit_with_message
from accord.terminal import say


def compose() -> None:
    paths = Paths(Path())  # DVC runs a stage in the project's root
    changed = selection.with_words(selection.read(paths), sys.argv[1:], paths.conf)
    chosen, values = fitted(changed, paths.conf)
    write_text(paths.config_lock, lock.dump(values))
    with replacing(paths.slices) as folder:
        folder.mkdir()
        for name, cut in slices.all_of(values).items():
            write_text(folder / f"{name}.yaml", lock.dump(cut))
    for note in chosen.notes:
        say(f"  compose: {note}")
    say("  compose: " + ", ".join(f"{group}={option}" for group, option in chosen.groups.items()))


if __name__ == "__main__":
    exit_with_message(compose)
