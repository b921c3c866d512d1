"""A copy of the project's config to change without harm, and a fresh look at it."""

from collections.abc import Callable
from pathlib import Path
from shutil import copy, copytree
from typing import Any

import pytest

from accord.config import compose, selection
from accord.paths import Paths

ROOT = Path(__file__).parents[2]


@pytest.fixture
def selected_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the project's conf/ and params.yaml, which is also the working directory."""
    folder = tmp_path / "project"
    copytree(ROOT / "conf", folder / "conf")
    for name in ("dvc.yaml", "params.yaml"):
        copy(ROOT / name, folder / name)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def composed(selected_folder: Path) -> Callable[..., dict[str, Any]]:
    """Composes the project's selection as changed by words and by overrides."""
    paths = Paths(selected_folder)

    def compose_with(*words: str, **overrides: Any) -> dict[str, Any]:
        chosen = selection.with_words(selection.read(paths), words, paths.conf)
        chosen.overrides = {**chosen.overrides, **overrides}
        return compose.composed(chosen, paths.conf)

    return compose_with
