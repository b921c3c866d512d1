"""One process works on two projects, from a folder that is neither's: nothing depends on the current folder."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from projects import Project, rides

from accord import cli, dvc
from accord.bundle.bundle import load_bundle
from accord.config import compose, lock, selection
from accord.config.compose import composed
from accord.files import write_json, write_text
from accord.monitoring import window
from accord.paths import Paths
from accord.promotion import pairs, releases
from accord.promotion.judge import Measured
from accord.report import pages
from accord.retraining import collect, sandbox
from accord.schema.config import Config
from accord.serving import bento
from accord.stages import bundle, decide, evaluate, featurize, ingest, split, train, validate

STAGES = (
    ingest.ingest, validate.validate, split.split, featurize.featurize, train.train, evaluate.evaluate, decide.decide, bundle.bundle,
)  # fmt: skip
WORDS = ("data=rides", "objective=quality", "model=linear", "evaluation.n_resamples=50")


@pytest.fixture
def two(new_project: Callable[[], Project], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Paths]:
    """Two projects with other rides, in neither of whose folders this process is."""
    projects = [new_project(), new_project()]
    projects[1].write("data/raw/rides.csv", rides(seed=1))
    (tmp_path / "third").mkdir()
    monkeypatch.chdir(tmp_path / "third")
    return [project.paths for project in projects]


def configured(paths: Paths, *words: str) -> Config:
    compose.select([*WORDS, *words], paths)
    values = composed(selection.read(paths), paths.conf)
    write_text(paths.config_lock, lock.dump(values))
    return lock.load(paths)


def test_two_projects_are_run_judged_and_shown_in_turns(two: list[Paths]):
    configs = [configured(paths, f"seed={i}") for i, paths in enumerate(two)]
    assert [config.seed for config in configs] == [0, 1]
    for stage in STAGES:
        for config, paths in zip(configs, two, strict=True):
            stage(config, paths)
    bundles = [load_bundle(paths.bundle) for paths in two]
    assert bundles[0].model_id != bundles[1].model_id
    frames = [pl.read_parquet(paths.rows / "**/*.parquet") for paths in two]
    assert frames[0].height == frames[1].height
    assert not frames[0].equals(frames[1])

    write_json(two[1].champion, {"model_id": "another"})
    assert [releases.champion_id(paths) for paths in two] == [None, "another"]
    write_json(two[1].champion, {})
    for config, made, paths in zip(configs, bundles, two, strict=True):
        card = pairs.judge_candidate(config, made, Measured(), paths)
        assert card.candidate == made.model_id
        assert pages.write(paths) == [paths.page, paths.scorecard_page, paths.model_card]
        decision, folder, _ = window.monitor(config, window.Asked(), lambda *_: "", False, paths)
        assert (decision.model, folder.parent) == (made.model_id, paths.monitoring)
        assert collect.collect(config, paths).file is None
        assert bento.content_sha256(paths.bundle, config.serving, paths)
    assert list(Path().iterdir()) == []


def test_a_command_in_one_project_does_not_keep_another_project_waiting(two: list[Paths]):
    with dvc.alone(two[0]) as one, dvc.alone(two[1]) as other:
        assert one != other
        with dvc.alone(Paths(two[0].root / "conf/..")) as again:
            assert again == one
    assert dvc.run(two[1], "root").stdout.strip() == "."
    assert list(Path().iterdir()) == []


def test_a_message_names_a_file_as_it_is_seen_from_the_current_folder(
    two: list[Paths], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    for folder, shown in (
        (two[0].root, "reports/evaluation.json"),
        (two[0].conf / "data", "../../reports/evaluation.json"),
    ):
        monkeypatch.chdir(folder)
        with pytest.raises(SystemExit):
            cli.main(["report"])
        assert f"There is nothing to show: {shown} is missing" in capsys.readouterr().err


@pytest.mark.slow
def test_the_sandboxes_of_two_projects_train_side_by_side(two: list[Paths]):
    for i, paths in enumerate(two):
        configured(paths, f"seed={i}")
    with sandbox.opened(two[0]) as one, sandbox.opened(two[1]) as other:
        days = [workshop.last_day() for workshop in (one, other)]
        assert days[0] is not None
        models = [workshop.train(days[0], "expanding") for workshop in (one, other)]
    assert models[0].bundle.model_id != models[1].bundle.model_id
    assert not any(paths.bundle.exists() for paths in two)
    assert list(Path().iterdir()) == []
