"""Copies of the project, for tests that run it, and a small data set of their own."""

import os
import random
import shutil
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

from accord.paths import Paths

ROOT = Path(__file__).parents[1]
COPIED = (
    ".dvc/config", ".dvc/.gitignore", ".dvcignore", ".gitattributes", ".gitignore", "bentofile.yaml", "conf", "conf.lock", "conf.lock.yaml", "data/.gitignore", "data/batches.json", ".dvc/plots.html",
    "data/raw", "dvc.yaml", "models/.gitignore", "params.yaml", "reports/.gitignore", "requirements", "requirements.lock", "src",
)  # fmt: skip

STAGES = ("compose", "ingest", "validate", "split", "featurize", "train", "evaluate", "decide", "bundle")

RIDES = """
name: rides
description: Bicycle rides, some of them late, with a made-up dependence on distance, weather and weekday
sources:
  rides: {path: data/raw/rides.csv}
key: [ride]
time: {event: started_at, label_delay: 1d}
columns:
  ride: {type: integer, role: info, min: 1}
  started_at: {type: datetime, role: info}
  station: {type: category, description: where it began}
  member: {type: boolean, nullable: true}
  distance: {type: number, unit: km, min: 0, max: 100}
  rain: {type: number, unit: mm in the hour, min: 0, max: 50, nullable: true}
  delay: {type: number, role: outcome, unit: minutes}
derived:
  is_long: distance > 5.5
rules:
  members_ride_near: member IS NULL OR distance < 90
split: {cutoff: 2024-03-11, test: 2w, tune: 2w, holdout: 0.1}
slices: [station]
targets:
  late: {task: binary, sql: delay > 10, owner: riders}
  delay_minutes: {task: regression, sql: delay, owner: operations, unit: minutes}
"""
N_RIDES = 3000


class Project:
    """A copy of the project in a folder and git repository of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.paths = Paths(root)

    def run(self, *command: str, ok: bool = True) -> subprocess.CompletedProcess[str]:
        """Runs a program of the virtual environment in the copy, whose `src` is what Python imports."""
        done = subprocess.run(
            [program(command[0]), *command[1:]],
            cwd=self.root,
            env=self.environment,
            capture_output=True,
            text=True,
        )
        assert not ok or done.returncode == 0, (
            f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        )
        return done

    @property
    def environment(self) -> dict[str, str]:
        who = {
            f"GIT_{role}_{what}": "t@example.org"
            for role in ("AUTHOR", "COMMITTER")
            for what in ("NAME", "EMAIL")
        }
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return {**os.environ, **who, "PATH": path, "PYTHONPATH": str(self.root / "src")}

    def ran(self, *command: str) -> list[str]:
        """The stages that the command ran, rather than skipped or took from the cache."""
        lines = self.run(*command).stdout.splitlines()
        return [line.split("'")[1] for line in lines if line.startswith("Running stage")]

    def refused(self, *command: str) -> str:
        """The one line with which the command refuses its input, exit code 2."""
        done = self.run(*command, ok=False)
        assert done.returncode == 2, f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr
        return next(line for line in done.stderr.splitlines() if line.startswith("accord: "))

    def commit(self) -> None:
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "--allow-empty", "--message", "state")

    def commit_index(self) -> None:
        self.run("git", "commit", "--quiet", "--message", "state")

    def read(self, path: str) -> str:
        return (self.root / path).read_text(encoding="utf-8")

    def write(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text, encoding="utf-8")

    def replace(self, path: str, old: str, new: str) -> None:
        text = self.read(path)
        assert old in text, f"{old!r} is not in {path}"
        self.write(path, text.replace(old, new))


def program(name: str) -> str:
    """The virtual environment's program of that name, or else the machine's."""
    own = Path(sys.executable).parent / name
    return str(own) if own.exists() else name


def copy_to(root: Path) -> Project:
    """A copy of this project, with the rides as a data set, that has not run yet."""
    for name in COPIED:
        source, target = ROOT / name, root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)  # with what is compiled already
        else:
            shutil.copyfile(source, target)
    project = Project(root)
    project.write("conf/data/rides.yaml", RIDES)
    project.write("data/raw/rides.csv", rides())
    project.write("models/champion.json", "{}\n")
    project.run("git", "init", "--quiet")
    project.commit()
    return project


def rides(n: int = N_RIDES, seed: int = 0) -> str:
    """Rides as CSV over 100 days: longer, wetter and Monday's rides are later."""
    generator = random.Random(seed)
    lines = ["ride,started_at,station,member,distance,rain,delay"]
    for ride in range(1, n + 1):
        start = datetime(2024, 1, 1) + timedelta(minutes=ride * 100 * 24 * 60 // n)
        distance, rain = generator.uniform(0.5, 12), max(0.0, generator.gauss(-1, 2))
        delay = 1.2 * distance + 2 * rain + 4 * (start.weekday() == 0) + generator.gauss(0, 3)
        member = generator.choice(["true", "false", ""])
        rain_text = "" if generator.random() < 0.1 else f"{rain:.2f}"
        station = generator.choice(["north", "south", "harbour"])
        lines.append(
            f"{ride},{start:%Y-%m-%d %H:%M:%S},{station},{member},{distance:.3f},{rain_text},{delay:.2f}"
        )
    return "\n".join(lines) + "\n"


def leave_free(disk: Path, n_bytes: int) -> None:
    ballast = disk / "ballast"
    ballast.unlink(missing_ok=True)
    ballast.write_bytes(bytes(max(shutil.disk_usage(disk).free - n_bytes, 0)))
