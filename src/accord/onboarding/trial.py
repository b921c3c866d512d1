"""Whether a config can be composed once files of it are written."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from accord.config import compose, selection
from accord.errors import AccordError
from accord.files import scratch, write_text
from accord.paths import Paths


def compose_with(texts: Mapping[Path, str], words: Sequence[str], paths: Paths) -> None:
    """Raises AccordError if the selection with these words can't be composed once the texts are written."""
    with scratch("onboard", paths.root) as folder:
        trial = Paths(folder)
        shutil.copytree(paths.conf, trial.conf)
        shutil.copyfile(paths.params, trial.params)
        for path, text in texts.items():
            write_text(folder / path.relative_to(paths.root), text)
        try:
            compose.fitted(selection.with_words(selection.read(trial), words, trial.conf), trial.conf)
        except AccordError as error:
            raise AccordError(str(error).replace(str(folder), str(paths.root))) from error
