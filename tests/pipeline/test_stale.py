"""Which stages an edit makes stale: those whose output it may change, and no other."""

import json
from collections.abc import Callable, Iterator

import pytest
from projects import Project

pytestmark = pytest.mark.slow

COMMENTS = {
    ".py": "# a comment\n",
    ".yaml": "# a comment\n",
    ".lock": "# a comment\n",
    ".j2": "\n",
    ".md": "\n",
    ".in": "\n",
}
TRAINING = {"train", "evaluate", "bundle"}
STALE: dict[str, set[str]] = {
    "conf/model/lightgbm.yaml": {"compose"},
    "docs/data.md": set(),
    "requirements.lock": {"compose"},
    "requirements/serving.in": set(),
    "tests/pipeline/test_stale.py": set(),
    "src/accord/cli.py": set(),
    "src/accord/client.py": set(),
    "src/accord/pipeline.py": set(),
    "src/accord/errors.py": set(),
    "src/accord/paths.py": set(),
    "src/accord/report/index.html.j2": set(),
    "src/accord/report/index.py": set(),
    "src/accord/serving/fast_path.py": set(),
    "src/accord/traffic/log.py": set(),
    "src/accord/retraining/rules.py": set(),
    "src/accord/monitoring/decision.py": set(),
    "src/accord/expectation/calibration.py": {"evaluate", "decide"},
    "src/accord/config/slices.py": {"compose"},
    "src/accord/data/leaks/levels.py": {"validate", "split"},
    "src/accord/bootstrap.py": {"evaluate", "decide"},
    "src/accord/intervals.py": {"evaluate", "decide"},
    "src/accord/predict/predict.py": set(),
    "src/accord/data/ingest/sources.py": {"ingest"},
    "src/accord/data/splitting.py": {"compose", "split", "featurize", "evaluate", "decide", "bundle"},
    "src/accord/tasks/binary.py": {"compose", "validate", "train", "evaluate", "decide", "bundle"},
    "src/accord/measures/curves.py": {"evaluate"},
    "src/accord/measures/metrics.py": {"compose", "evaluate", "decide"},
    "src/accord/evaluation/evaluated.py": {"evaluate"},
    "src/accord/objective/fairness.py": {"decide"},
    "src/accord/objective/policy.py": {"evaluate", "decide", "bundle"},
    "src/accord/objective/teams.py": {"compose", "decide"},
    "src/accord/promotion/judge.py": set(),
    "src/accord/models/linear.py": {"compose", "train", "evaluate", "bundle"},
    "src/accord/sql/compiled/trees.py": {"evaluate", "bundle"},
    "src/accord/training/jobs.py": {"train", "bundle"},
    "src/accord/bundle/build.py": {"bundle"},
    "src/accord/stages/train.py": {"train"},
}
"""A file of each folder, and the stages that a comment in it makes stale. Those after them run if their input changes."""


@pytest.fixture
def edited(project: Project) -> Iterator[Callable[[str], None]]:
    """Puts a comment into a file of the shared project, which is as it was at the end."""

    def edit(path: str) -> None:
        comment = COMMENTS[path[path.rindex(".") :]]
        there = (project.root / path).exists()
        project.write(path, (project.read(path) if there else "") + comment)

    yield edit
    project.run("git", "clean", "--quiet", "--force", "docs", "tests")
    project.run("git", "reset", "--quiet", "--hard", "ran")
    project.run("dvc", "checkout", "--quiet", "--force")


@pytest.mark.parametrize("path", STALE)
def test_an_edit_makes_the_stages_stale_that_it_may_change(
    project: Project, edited: Callable[[str], None], path: str
) -> None:
    edited(path)
    status = json.loads(project.run("dvc", "status", "--json").stdout)
    assert set(status) == STALE[path]


def test_comments_everywhere_leave_the_model_and_what_was_trained_alone(
    project: Project, edited: Callable[[str], None]
) -> None:
    before = {path: project.read(path) for path in ("models/bundle/manifest.json", "conf.lock.yaml")}
    for path in STALE:
        edited(path)
    project.run("dvc", "repro")
    assert project.read("conf.lock.yaml") == before["conf.lock.yaml"]
    now, then = (
        json.loads(project.read("models/bundle/manifest.json")),
        json.loads(before["models/bundle/manifest.json"]),
    )
    assert now.pop("code_sha256") != then.pop("code_sha256")
    assert now == then


def test_another_weight_runs_what_holds_its_consequences(project: Project, edited: object) -> None:
    policy = "{weights: {w: 0.5}, score: late - w * distance / 10}"
    project.replace("conf/objective/quality.yaml", "metrics:", f"policy: {policy}\nmetrics:")
    project.run("dvc", "repro")
    project.replace("conf/objective/quality.yaml", "w: 0.5", "w: 0.4")
    assert project.ran("dvc", "repro") == ["compose", "decide", "bundle"]
    about = json.loads(project.read("models/bundle/monitoring/about.json"))
    assert about["objective"]["policy"]["weights"] == {"w": 0.4}
