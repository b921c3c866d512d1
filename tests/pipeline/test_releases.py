"""From candidate to champion and back, on a real pipeline with its release store."""

import json
import shutil
import signal
import subprocess
import time
from collections.abc import Callable

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
    assert project.run("git", "status", "--porcelain", "models").stdout == ""
    project.commit()
    return project


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
    released.run("git", "reset", "--quiet", "--soft", "HEAD~2")  # before the commit of the promotion
    released.write("models/releases.jsonl", whole.splitlines()[0] + "\n")
    released.write(".git/index.lock", "")
    assert "Committed" in released.run("accord", "promote", "--commit").stdout
    assert released.read("models/releases.jsonl") == whole
    assert released.run("git", "status", "--porcelain", "models").stdout == ""
    released.commit()


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
    clone = Project(released.root.with_name(f"{released.root.name}-clone"))
    subprocess.run(["git", "clone", "--quiet", str(released.root), str(clone.root)], check=True)
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
