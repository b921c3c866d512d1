"""Which data set a model is of: one of another is never taken for a model of the selected data set without a word."""

from pathlib import Path

from accord.errors import AccordError
from accord.files import read_json
from accord.paths import Paths
from accord.promotion import releases

BY_HAND = "accord run, then accord promote --reason WHY"
"""How a model takes the place of a champion that it can't be compared with."""


def of(bundle: Path) -> str:
    """The name of the data set that the model in this folder was made for."""
    return str(read_json(bundle / "manifest.json")["data"]["name"])


def check_candidate(selected: str, paths: Paths) -> None:
    """Raises AccordError if models/bundle holds a model of another data set than the selected one, as it does until a run
    of that one has ended."""
    if paths.manifest.is_file() and (found := of(paths.bundle)) != selected:
        raise AccordError(
            f"{paths.bundle} holds a model of the data set {found}, but {selected} is selected; make one of it: accord run"
        )


def check_champion(selected: str, paths: Paths, otherwise: str) -> None:
    """Raises AccordError if the champion is of another data set than the selected one. `otherwise` says what can be done all
    the same; braces stand for the champion's data set."""
    champion = releases.champion_id(paths)
    if champion is None:
        return
    found = of(releases.restored(champion, paths))
    if said := other_champion(selected, paths):
        raise AccordError(
            f"{said}. {otherwise.format(found)}, or make a model of {selected} the champion: {BY_HAND}"
        )


def other_champion(selected: str, paths: Paths) -> str:
    """That the champion is of another data set than the selected one, in a clause; empty if it isn't, as far as its bytes
    are here."""
    champion = releases.champion_id(paths)
    folder = paths.releases / str(champion)
    if champion is None or not (folder / "manifest.json").is_file() or (found := of(folder)) == selected:
        return ""
    return f"The champion {champion} is of the data set {found}, but {selected} is selected"
