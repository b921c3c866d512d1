"""README's commands, word for word and in its order, by somebody who has nothing but a copy of the project.

Left out are those that other tests run: `accord simulate` and DVC's queue, for they take minutes, and the clone itself.
"""

import re
from datetime import date
from pathlib import Path

import pytest
from projects import ROOT
from reader import PORT, SERVE, Reader, commands, port_is_taken

LEFT_OUT = ("git clone", "accord simulate", "dvc exp run --queue", "dvc queue")
CODES = {"accord monitor": (0, 3), "accord promote": (0, 2), "accord rollback": (0, 2)}
"""What README says of them: alarms, a verdict that does not allow it, no release before."""
LOOP = "Close the loop"


def sections(readme: str) -> dict[str, list[str]]:
    """The commands by section."""
    parts = (part.partition("\n") for part in re.split(r"^## ", readme, flags=re.MULTILINE))
    return {title: [c for c in commands(text) if not c.startswith(LEFT_OUT)] for title, _, text in parts}


def a_month_later(command: str) -> str:
    """
    >>> a_month_later("accord replay --from 2013-07-01 --to 2013-12-01")
    'accord replay --from 2013-08-01 --to 2014-01-01'
    """

    def later(found: re.Match[str]) -> str:
        day = date.fromisoformat(found[0])
        return day.replace(year=day.year + day.month // 12, month=day.month % 12 + 1).isoformat()

    return re.sub(r"\d{4}-\d\d-\d\d", later, command)


@pytest.mark.slow
def test_readme_runs_word_for_word(tmp_path: Path):
    if port_is_taken():
        pytest.skip(f"README's service listens on port {PORT}, which another program has here")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    typed_in = sections(readme)
    first = next(iter(typed_in.values()))
    reader = Reader(tmp_path, CODES)
    for command in first[: first.index(SERVE)]:
        reader.types(command)
    with reader.serving():
        for title, typed in list(typed_in.items())[1:]:
            if "own data" in title:
                own_data(reader.root)
            for command in typed:
                reader.types(command)
            if title == LOOP:
                the_loop_went_round(reader, typed)
                later = [a_month_later(command) for command in typed]
                for command in later:
                    reader.types(command)
                the_loop_went_round(reader, later)


def the_loop_went_round(reader: Reader, typed: list[str]) -> None:
    [replay] = (command for command in typed if command.startswith("accord replay"))
    told = re.search(r"sent +([\d,]+) = \1 logged", reader.said[replay])
    assert told, reader.said[replay]
    assert int(told[1].replace(",", "")) > 20_000
    assert "WARNING" not in reader.said[replay]
    assert re.search(r"[\d,]{6} rows to data/batches/", reader.said["accord collect"])
    assert re.search("^(Trained|Not trained): ", reader.said["accord retrain"], re.MULTILINE)


def own_data(root: Path) -> None:
    """The reader's own file."""
    stations = ("north", "south", "harbour")
    lines = [f"{stations[i % 3]},{i * 7 % 97},{i * 31 % 23 - 3}" for i in range(1500)]
    (root / "rides.csv").write_text("\n".join(["station,distance,delay", *lines, ""]))
