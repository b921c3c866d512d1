"""What the config is once files of it are written, if it can be composed then."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from accord.config import compose, selection
from accord.errors import AccordError
from accord.files import scratch, write_text
from accord.paths import Paths


def compose_with(texts: Mapping[Path, str], words: Sequence[str], paths: Paths) -> dict[str, Any]:
    """The config of the selection with these words once the texts are written. Raises AccordError if it can't be composed."""
    with scratch("onboard", paths.root) as folder:
        trial = Paths(folder)
        shutil.copytree(paths.conf, trial.conf)
        shutil.copyfile(paths.params, trial.params)
        for path, text in texts.items():
            write_text(folder / path.relative_to(paths.root), text)
        try:
            chosen = selection.with_words(selection.read(trial), words, trial.conf)
            return compose.fitted(chosen, trial.conf)[1]
        except AccordError as error:
            raise AccordError(str(error).replace(str(folder), str(paths.root))) from error
