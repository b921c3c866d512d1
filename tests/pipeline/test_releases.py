"""From candidate to champion and back, on a real pipeline with its release store."""

import json
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from projects import Project, program


@pytest.fixture(scope="module")
def released(new_project: Callable[[], Project]) -> Project:
    """A project with two releases: lightgbm after the baseline."""
    project = new_project()
    project.run("accord", "run", "data=rides", "objective=quality", "model=baseline")
    project.commit()
    project.run("accord", "promote")
    project.run("accord", "run", "model=lightgbm", "model.n_estimators=40")
    project.run("accord", "promote", "--commit")
    assert status(project) == []
    project.run("git", "tag", "promoted")
    return project


@pytest.fixture
def own(released: Project, tmp_path: Path) -> Project:
    """A copy of it, as it was after the second promotion, for a test of its own."""
    project = Project(tmp_path / "project")
    shutil.copytree(released.root, project.root, symlinks=True)
    project.run("git", "reset", "--quiet", "--hard", "promoted")
    project.run("dvc", "checkout", "--quiet", "--force")
    return project


def clone_of(project: Project) -> Project:
    clone = Project(project.root.with_name(f"{project.root.name}-clone"))
    subprocess.run(["git", "clone", "--quiet", str(project.root), str(clone.root)], check=True)
    return clone


def changed_inputs(project: Project) -> list[str]:
    """What differs from what the committed dvc.lock was made from, whether or not data are here."""
    stages = json.loads(project.run("dvc", "status", "--json", "--with-deps", "bundle").stdout)
    return [
        name
        for found in stages.values()
        for one in found
        for name, how in one.get("changed deps", {}).items()
        if how == "modified" and not name.startswith(("data/", "models/", "reports/"))
    ]


def status(project: Project) -> list[str]:
    return project.run("git", "status", "--porcelain").stdout.splitlines()


def champion(project: Project) -> str:
    return str(json.loads(project.read("models/champion.json"))["model_id"])


def test_a_better_candidate_became_the_champion_and_the_log_says_why(released: Project) -> None:
    first, second = [json.loads(line) for line in released.read("models/releases.jsonl").splitlines()]
    assert first["previous"] is None
    assert second["previous"] == first["model_id"]
    assert champion(released) == second["model_id"]
    assert second["scorecard"]["verdict"] == "pass"
    assert "the score rises by" in second["reason"]
    assert "no champion to beat" in released.run("accord", "history").stdout


def test_the_champion_itself_is_not_promoted_again(released: Project) -> None:
    assert "is the champion already" in released.refused("accord", "promote")


def test_a_promotion_that_was_killed_before_its_commit_is_committed_by_the_same_command(
    released: Project,
) -> None:
    whole = released.read("models/releases.jsonl")
    released.run("git", "reset", "--quiet", "--soft", "HEAD~1")  # before the commit of the promotion
    released.write("models/releases.jsonl", whole.splitlines()[0] + "\n")
    released.write(".git/index.lock", "")
    assert "Committed" in released.run("accord", "promote", "--commit").stdout
    assert released.read("models/releases.jsonl") == whole
    assert released.run("git", "status", "--porcelain", "models").stdout == ""
    released.commit()


@pytest.mark.slow
def test_a_committed_promotion_holds_what_made_the_model_and_leaves_all_else_as_it_was(own: Project) -> None:
    own.write("conf/model/small.yaml", own.read("conf/model/lightgbm.yaml"))
    own.run("accord", "run", "model=small", "model.n_estimators=30", "model.num_leaves=3")
    own.write("staged.txt", "staged")
    own.run("git", "add", "staged.txt")
    own.write("notes.txt", "not added")
    own.write("data/raw/rides.csv", own.read("data/raw/rides.csv") + "\n")
    assert "data/raw" in own.refused("accord", "promote", "--reason", "a test", "--commit")
    own.run("git", "checkout", "--quiet", "data/raw/rides.csv")
    own.write(".git/info/exclude", "data/raw/more.csv\n")
    own.write("data/raw/more.csv", "a\n1\n")
    own.run("dvc", "repro")
    said = own.run("accord", "promote", "--reason", "a test", "--commit").stdout
    assert "though the model was made from it: data/raw/more.csv; 2 other changes" in said
    assert status(own) == ["A  staged.txt", "?? notes.txt"]
    clone = clone_of(own)
    assert "model: small" in clone.read("params.yaml")
    assert "num_leaves: 3" in clone.read("conf.lock.yaml")
    assert changed_inputs(clone) == []


@pytest.mark.slow
def test_a_committed_rollback_puts_back_what_made_the_model(own: Project) -> None:
    first = json.loads(own.read("models/releases.jsonl").splitlines()[0])["model_id"]
    own.replace("conf/model/lightgbm.yaml", "num_leaves: 15", "num_leaves: 7")
    own.write("conf/model/later.yaml", own.read("conf/model/lightgbm.yaml"))
    own.run("accord", "run", "seed=3")
    own.run("accord", "promote", "--reason", "a test", "--commit")
    own.write("notes.txt", "not added")
    said = own.run("accord", "rollback", first, "--commit").stdout
    assert "Not committed: 1 other change" in said
    assert status(own) == ["?? notes.txt"]
    clone = clone_of(own)
    assert champion(clone) == first
    assert "model: baseline" in clone.read("params.yaml")
    assert "num_leaves: 15" in clone.read("conf/model/lightgbm.yaml")
    assert not (clone.root / "conf/model/later.yaml").exists()
    assert changed_inputs(clone) == []


@pytest.mark.slow
def test_a_committed_rollback_never_overwrites_edits_that_nobody_has(own: Project) -> None:
    own.write("conf/model/mine.yaml", "# begun\n")
    own.replace("params.yaml", "model: lightgbm", "model: linear")
    before = own.read("params.yaml")
    refused = own.refused("accord", "rollback", "--commit")
    assert "params.yaml" in refused
    assert "mine" not in refused
    assert own.read("params.yaml") == before
    assert "is the champion again" in own.run("accord", "rollback").stdout
    assert own.read("params.yaml") == before
    own.run("git", "checkout", "--quiet", "params.yaml")
    again = champion(own)
    assert "Committed" in own.run("accord", "rollback", "--commit").stdout, "the same rollback is committed"
    assert champion(own) == again
    assert status(own) == ["?? conf/model/mine.yaml"]


@pytest.mark.slow
def test_a_worse_candidate_is_refused_and_a_reason_overrides_it(released: Project) -> None:
    before = champion(released)
    done = released.run("accord", "run", "model=baseline", "seed=2", "data.split.holdout=0.12")
    assert "not to be promoted" in done.stdout
    assert "data_science: skill" in released.refused("accord", "promote")
    assert champion(released) == before
    released.run("accord", "promote", "--reason", "the cheaper one will do")
    assert json.loads(released.read("models/champion.json"))["reason"] == "the cheaper one will do"
    released.run("accord", "rollback")
    assert champion(released) == before
    released.run("git", "checkout", "--quiet", "params.yaml")
    released.run("accord", "run")


@pytest.mark.slow
def test_a_scorecard_of_another_candidate_is_no_verdict(released: Project) -> None:
    released.run("dvc", "exp", "run", "--set-param", "+overrides.model.num_leaves=4")
    assert "has not been judged" in released.refused("accord", "promote")
    released.run("git", "checkout", "--quiet", "params.yaml", "conf.lock", "conf.lock.yaml", "dvc.lock")
    released.run("dvc", "checkout", "--quiet", "--force")


def test_rolling_back_goes_to_the_release_before_or_to_the_one_named(released: Project) -> None:
    second, first = (
        champion(released),
        json.loads(released.read("models/releases.jsonl").splitlines()[0])["model_id"],
    )
    assert "did you mean" in released.refused("accord", "rollback", first[:-1] + "x")
    released.run("accord", "rollback", first)
    assert champion(released) == first
    released.run("accord", "rollback", second, "--reason", "back again")
    assert champion(released) == second


def test_a_clone_without_the_bytes_fetches_them_or_says_what_to_pull(released: Project) -> None:
    released.commit()
    clone = clone_of(released)
    first = json.loads(clone.read("models/releases.jsonl").splitlines()[0])["model_id"]
    assert f"dvc pull --remote releases models/releases/{first}.dvc" in clone.refused(
        "accord", "rollback", first
    )
    shutil.copytree(released.root / ".releases", clone.root / ".releases")
    clone.run("accord", "rollback", first)
    assert (clone.root / "models/releases" / first / "manifest.json").is_file()


@pytest.mark.slow
def test_collecting_garbage_keeps_the_releases(released: Project) -> None:
    first = json.loads(released.read("models/releases.jsonl").splitlines()[0])["model_id"]
    released.run("dvc", "gc", "--workspace", "--all-commits", "--force")
    released.run("dvc", "gc", "--workspace", "--cloud", "--remote", "releases", "--force")
    shutil.rmtree(released.root / "models/releases" / first)
    shutil.rmtree(released.root / ".dvc/cache/files")
    released.run("accord", "rollback", first)
    released.run("accord", "rollback")


@pytest.mark.slow
def test_killing_promote_at_any_moment_leaves_the_old_champion_or_the_new(released: Project) -> None:
    old = champion(released)
    released.run("accord", "run", "model.num_leaves=6")
    new = json.loads(released.read("models/bundle/manifest.json"))["model_id"]
    for step in range(40):
        started = subprocess.Popen(
            [program("accord"), "promote", "--reason", "kill test"], cwd=released.root, env=released.environment,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        time.sleep(0.2 * step)
        started.send_signal(signal.SIGKILL)
        started.wait()
        now = champion(released)
        assert now in (old, new)
        history = released.run("accord", "history").stdout
        assert now in history
        if now == new:
            released.run("accord", "rollback", old)
    released.run("accord", "promote", "--reason", "after all the kills")
    assert champion(released) == new
