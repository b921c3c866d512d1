"""The page docs/your-data.md: its file is as shown, and its commands, word for word and in its order, print what it shows."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from projects import ROOT
from reader import FENCES, PORT, SERVE, Reader, commands, port_is_taken
from shown import missing, shown

PAGE = ROOT / "docs/your-data.md"
CODES = {"accord onboard ../parcels.csv --target late": (0, 2)}
"""The dates of one column may be read in two ways."""
CONFIG = "conf/data/parcels.yaml"


def blocks(kind: str) -> list[str]:
    return [block for of, block in FENCES.findall(PAGE.read_text(encoding="utf-8")) if of == kind]


def test_the_page_shows_every_command_with_output_once():
    page = PAGE.read_text(encoding="utf-8")
    assert [command for command, _ in shown(page)] == list(commands(page))


def test_the_file_begins_as_the_page_shows(tmp_path: Path):
    raw = tmp_path / "parcels.csv"
    subprocess.run([sys.executable, ROOT / "docs/parcels.py", raw], check=True)
    assert raw.read_text(encoding="utf-8").startswith(blocks("csv")[0])


@pytest.mark.slow
def test_the_walk_from_the_raw_file_to_a_project_of_ones_own_prints_what_the_page_shows(tmp_path: Path):
    if port_is_taken():
        pytest.skip(f"the page's service listens on port {PORT}, which another program has here")
    reader = Reader(tmp_path / "shop", CODES)
    reader.types("source .venv/bin/activate")
    walked = list(shown(PAGE.read_text(encoding="utf-8")))
    [serves] = [i for i, (command, _) in enumerate(walked) if command == SERVE]
    [leaves] = [i for i, (command, _) in enumerate(walked) if command.startswith("git add")][:1]
    walk(reader, walked[:serves])
    with reader.serving():
        walk(reader, walked[serves + 1 : leaves])
    walk(reader, walked[leaves:])


def walk(reader: Reader, walked: list[tuple[str, list[str]]]) -> None:
    for command, lines in walked:
        if command.startswith("dvc add"):
            edit(reader)
        if command.startswith("accord outcomes"):
            send(reader)
        reader.types(command)
        output = reader.said.get(command, "")
        assert missing(lines, output) == [], output


def edit(reader: Reader) -> None:
    """The file in conf/data, as the page has it changed."""
    [block] = blocks("yaml")
    path = reader.root / CONFIG
    assert block.startswith(f"# {CONFIG}\n")
    changed, n = re.subn(
        r'^  label_delay: "0d"', "  label_delay: 3d", path.read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    assert n == 1
    assert yaml.safe_load(changed)["time"] == yaml.safe_load(block)["time"]
    path.write_text(changed, encoding="utf-8")


def send(reader: Reader) -> None:
    """Writes the page's outcomes, of the prediction that was answered here."""
    [answer] = (text for command, text in reader.said.items() if command.startswith("curl"))
    prediction = json.loads(answer)["rows"][0]["prediction_id"]
    head, row = blocks("csv")[1].splitlines()
    text = f"{head}\n{prediction};{row.partition(';')[2]}\n"
    (reader.root / "outcomes.csv").write_text(text, encoding="utf-8")
