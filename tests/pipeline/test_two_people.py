"""Two people with a clone each, one remote of git's and one store of releases: nobody's release is lost."""

import json
import shutil
import subprocess
from collections.abc import Callable
from typing import NamedTuple

import pytest
from projects import Project, program

pytestmark = pytest.mark.slow


class Pair(NamedTuple):
    ada: Project
    ben: Project


@pytest.fixture(scope="module")
def pair(new_project: Callable[[], Project]) -> Pair:
    """Two clones: Ada has released a baseline, which Ben has pulled, without its bytes."""
    ada = new_project()
    shared = ada.root.parent / f"{ada.root.name}-shared"
    ada.replace(".dvc/config", "../.releases", str(shared / "releases"))
    ada.run("accord", "run", "data=rides", "objective=quality", "model=baseline")
    ada.commit()
    ada.run("accord", "promote", "--commit")
    ada.run("git", "clone", "--quiet", "--bare", str(ada.root), str(shared / "git"))
    ada.run("git", "remote", "add", "origin", str(shared / "git"))
    branch = ada.run("git", "branch", "--show-current").stdout.strip()
    ada.run("git", "fetch", "--quiet")
    ada.run("git", "branch", "--quiet", f"--set-upstream-to=origin/{branch}")
    ben = Project(ada.root.parent / f"{ada.root.name}-ben")
    subprocess.run(["git", "clone", "--quiet", str(shared / "git"), str(ben.root)], check=True)
    return Pair(ada, ben)


def champion(project: Project) -> str:
    return str(json.loads(project.read("models/champion.json"))["model_id"])


def released(project: Project) -> list[str]:
    return [json.loads(line)["model_id"] for line in project.read("models/releases.jsonl").splitlines()]


def made(project: Project, *words: str) -> str:
    """A candidate of these words, committed."""
    project.run("accord", "run", *words)
    project.commit()
    return str(json.loads(project.read("models/bundle/manifest.json"))["model_id"])


def pull(project: Project) -> subprocess.CompletedProcess[str]:
    return project.run("git", "pull", "--quiet", "--no-rebase", "--no-edit", ok=False)


def test_in_turn_each_promotes_against_the_others_champion_and_rolls_back_to_it(pair: Pair) -> None:
    ada, ben = pair
    first = champion(ada)
    second = made(ben, "model=lightgbm", "model.n_estimators=20")
    ben.run("accord", "promote", "--commit")
    assert (ben.root / "models/releases" / first / "manifest.json").is_file(), "fetched to compare with"
    ben.run("git", "push", "--quiet")
    assert pull(ada).returncode == 0
    assert champion(ada) == second
    assert not (ada.root / "models/releases" / second).exists()
    ada.run("accord", "rollback", first)
    ada.run("accord", "rollback", second)
    assert (ada.root / "models/releases" / second / "manifest.json").is_file()
    ada.commit()
    ada.run("git", "push", "--quiet")
    assert pull(ben).returncode == 0
    assert released(ben) == [first, second, first, second]


def test_at_once_both_releases_stay_and_a_person_chooses_the_champion(pair: Pair) -> None:
    ada, ben = pair
    before = released(ada)
    hers = made(ada, "model.n_estimators=25")
    his = made(ben, "model.n_estimators=30")
    promotions = [
        subprocess.Popen(
            [program("accord"), "promote", "--commit", "--reason", "mine"], cwd=one.root, env=one.environment,
            stdout=subprocess.DEVNULL,
        )
        for one in pair
    ]  # fmt: skip
    assert [promotion.wait() for promotion in promotions] == [0, 0]
    ada.run("git", "push", "--quiet")
    assert pull(ben).returncode != 0
    for command in ("history", "promote", "run", "serve", "judge"):
        line = ben.refused("accord", command)
        assert "holds a conflict that a merge left" in line
    assert f"accord rollback {his}, or accord rollback {hers}" in ben.refused("accord", "history")
    said = ben.run("accord", "doctor", ok=False)
    assert said.returncode == 1
    for name in ("models/champion.json", "params.yaml", "dvc.lock", "conf.lock.yaml"):
        assert any(line.startswith(f"{name} ") for line in said.stdout.splitlines()), name

    assert "git checkout --ours params.yaml" in ben.refused("accord", "rollback", hers)
    ben.run("git", "checkout", "--ours", "params.yaml")
    ben.run("accord", "rollback", hers)
    ben.run("accord", "run")
    ben.commit()
    ben.run("git", "push", "--quiet")
    assert champion(ben) == hers
    assert set(released(ben)) == {*before, hers, his}
    assert len(released(ben)) == len(before) + 3
    assert "lines that are no records" not in ben.run("accord", "doctor", ok=False).stdout

    assert pull(ada).returncode == 0
    assert released(ada) == released(ben)
    ada.run("accord", "rollback", his)
    assert champion(ada) == his
    for model in {*before, hers, his}:
        shutil.rmtree(ada.root / "models/releases" / model, ignore_errors=True)
        shutil.rmtree(ada.root / ".dvc/cache/files", ignore_errors=True)
        ada.run("accord", "rollback", model)


def test_lines_of_the_log_that_a_merge_doubled_or_mixed_up_count_once_and_by_time(pair: Pair) -> None:
    project = pair.ada
    whole = project.read("models/releases.jsonl")
    lines = whole.splitlines()
    said = project.run("accord", "history").stdout
    project.write("models/releases.jsonl", "\n".join([*reversed(lines), *lines]) + "\n")
    assert sorted(project.run("accord", "history").stdout.splitlines()) == sorted(said.splitlines())
    project.write("models/releases.jsonl", whole)
