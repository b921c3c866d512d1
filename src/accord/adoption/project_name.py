"""What a project may be called: its name is that of a Python package in src, of a folder in tests, and of a distribution."""

import importlib.util
import keyword
import re
from importlib.metadata import PackageNotFoundError, version

from accord.errors import AccordError
from accord.paths import Paths

FORM = re.compile(r"[a-z]([a-z0-9_]*[a-z0-9])?")


def check(name: str, paths: Paths) -> None:
    """Raises AccordError for a name that Python can't import, or that something else has."""
    if not FORM.fullmatch(name) or keyword.iskeyword(name):
        raise AccordError(
            f"'{name}' can't be the name of a Python package; expected lower-case letters a to z, digits and _, beginning with a letter"
            f"{_nearest(name)}"
        )
    taken = [path for path in (paths.root / "src" / name, paths.root / "tests" / name) if path.exists()]
    taken += [path for folder in ("src", "tests") if (path := paths.root / folder / f"{name}.py").exists()]
    if taken:
        raise AccordError(f"'{name}' would take the place of {taken[0]}; choose another name")
    if importlib.util.find_spec(name) is not None or _is_installed(name):
        raise AccordError(
            f"'{name}' is the name of a module or library that this project uses or may use, which it would shadow; choose another name"
        )


def _nearest(name: str) -> str:
    """
    >>> _nearest("Taxi Tips"), _nearest("3rd-order"), _nearest("class"), _nearest("?")
    ("; such as 'taxi_tips'", "; such as 'rd_order'", '', '')
    """
    near = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_0123456789")
    return f"; such as '{near}'" if FORM.fullmatch(near) and not keyword.iskeyword(near) else ""


def _is_installed(name: str) -> bool:
    """Whether a library of that name is installed, whatever its modules are called: scikit_learn."""
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True
