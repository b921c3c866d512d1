"""Every way of changing what runs, and which stages each of them runs."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from projects import Project

AFTER_MODEL = ["compose", "train", "evaluate", "decide", "bundle"]


def lock(project: Project) -> dict:
    return yaml.safe_load(project.read("conf.lock.yaml"))


@pytest.fixture(autouse=True)
def as_found(project: Project) -> object:
    """Each test begins and ends with the state that the project was committed in."""
    yield
    project.run("git", "reset", "--quiet", "--hard", "ran")
    project.run("dvc", "checkout", "--quiet", "--force")


@pytest.mark.slow
def test_after_a_preset_an_experiment_with_another_model_runs_without_its_overrides(project: Project) -> None:
    project.run("accord", "run", "experiment=quick", "evaluation.n_resamples=60")
    done = project.run("dvc", "exp", "run", "--set-param", "model=linear")
    assert "compose: model.n_estimators, model.learning_rate: left out, for model=linear" in done.stdout
    assert lock(project)["evaluation"]["n_resamples"] == 60
    refused = project.run(
        "dvc", "exp", "run", "--set-param", "overrides.data.split.cutoff=2024-02-30", ok=False
    )
    assert "2024-02-30" in refused.stderr + refused.stdout
    assert "Traceback" not in refused.stderr


def test_a_second_run_runs_nothing(project: Project) -> None:
    assert project.ran("accord", "run") == []


def test_a_comment_in_conf_runs_compose_alone(project: Project) -> None:
    project.write("conf/features/default.yaml", "# a comment\n" + project.read("conf/features/default.yaml"))
    assert project.ran("dvc", "repro") == ["compose"]


def test_an_edit_in_conf_runs_the_stages_of_its_section(project: Project) -> None:
    project.replace("conf/model/lightgbm.yaml", "num_leaves: auto", "num_leaves: 5")
    assert project.ran("dvc", "repro") == AFTER_MODEL
    assert lock(project)["model"]["num_leaves"] == 5


def test_a_word_swaps_the_model_and_back_from_the_cache(project: Project) -> None:
    assert project.ran("accord", "run", "model=baseline") == AFTER_MODEL
    assert "model: baseline" in project.read("params.yaml")
    assert project.ran("accord", "run", "model=lightgbm", "model.n_estimators=20") == ["compose"]


def test_make_run_passes_words_on(project: Project) -> None:
    makefile = (Path(__file__).parents[2] / "Makefile").read_text(encoding="utf-8")
    assert "@accord run $(ARGS)" in makefile


@pytest.mark.slow
def test_switching_a_group_drops_the_overrides_of_the_old_option_and_says_so(project: Project) -> None:
    done = project.run("accord", "run", "model=baseline")
    assert "model: lightgbm -> baseline; the overrides of lightgbm are dropped" in done.stdout
    assert "n_estimators" not in project.read("params.yaml")


@pytest.mark.slow
def test_a_dvc_experiment_swaps_the_model(project: Project) -> None:
    project.run("accord", "run", "model=baseline")
    project.commit()
    assert (
        project.ran("dvc", "exp", "run", "--name", "swapped", "--set-param", "model=lightgbm") == AFTER_MODEL
    )
    assert lock(project)["model"]["_target_"].endswith("LightGBM")
    assert "swapped" in project.run("dvc", "exp", "show", "--json").stdout
    assert project.ran("dvc", "exp", "run", "--set-param", "+overrides.seed=2") == AFTER_MODEL


def test_a_stage_runs_alone_on_words(project: Project) -> None:
    before = project.read("conf.lock.yaml")
    done = project.run("python", "-m", "accord.stages.train", "model=baseline")
    assert "Baseline for late, delay_minutes" in done.stdout
    assert project.read("conf.lock.yaml") == before


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["modle=linear"], "did you mean 'model'"),
        (["model=linaer"], "did you mean 'linear'"),
        (["model.learning_rat=0.1"], "did you mean 'learning_rate'"),
        (["model.learning_rate=fast"], "model.learning_rate: found 'fast'"),
        (["data.split.tset=1w"], "did you mean 'test'"),
        (["data.split.test=soon"], "data.split.test"),
        (["experiment=quik"], "did you mean 'quick'"),
        (["linear"], "expected group=option or key=value"),
        (["objective=balanced"], "don't fit together"),
    ],
)
def test_a_wrong_word_is_refused_with_the_nearest_names_and_changes_nothing(
    project: Project, words: list[str], expected: str
) -> None:
    before = project.read("params.yaml"), project.read("conf.lock.yaml")
    assert expected in project.refused("accord", "run", *words)
    assert (project.read("params.yaml"), project.read("conf.lock.yaml")) == before


def test_a_wrong_key_in_a_file_of_conf_is_refused_before_anything_runs(project: Project) -> None:
    project.replace("conf/data/rides.yaml", "slices: [station]", "slizes: [station]")
    assert "did you mean 'slices'" in project.refused("accord", "run")


@pytest.mark.slow
def test_metrics_params_and_plots_are_shown_by_dvc(project: Project) -> None:
    metrics = json.loads(project.run("dvc", "metrics", "show", "--json").stdout)
    values = metrics[""]["data"]["reports/metrics.json"]["data"]
    assert 0.5 < values["late"]["test"]["auc"] <= 1
    project.run("accord", "run", "model=baseline")
    changed = json.loads(project.run("dvc", "metrics", "diff", "--json").stdout)
    assert changed["reports/metrics.json"]["late.test.auc"]["new"] == 0.5
    assert "model" in json.loads(project.run("dvc", "params", "diff", "--json").stdout)["params.yaml"]
    project.run("dvc", "plots", "show")
    page = project.read("dvc_plots/index.html")
    for plot in ("roc", "precision_recall", "calibration", "residuals", "importance"):
        assert f"reports_plots_{plot}_" in page


@pytest.mark.slow
def test_a_queued_grid_runs_the_code_it_was_queued_with(new_project: Callable[[], Project]) -> None:
    project = new_project()
    project.run("accord", "run", "data=rides", "objective=quality", "model=baseline")
    project.commit()
    grid = ("--set-param", "model=baseline,linear", "--set-param", "+overrides.seed=7")
    project.run("dvc", "exp", "run", "--queue", *grid)
    project.replace("src/accord/models/baseline.py", "mean = float(", "mean = 0.001 * float(")
    project.run("dvc", "queue", "start", "--jobs", "1")
    wait_for_queue(project)
    project.run("git", "checkout", "--quiet", "src")
    for row in json.loads(project.run("dvc", "exp", "show", "--json").stdout)[1]["experiments"]:
        (found,) = row["revs"]
        late = found["data"]["metrics"]["reports/metrics.json"]["data"]["late"]["train"]
        if "baseline" in found["data"]["params"]["params.yaml"]["data"]["model"]:
            assert late["calibration_error"] < 1e-9, "the mean was multiplied by code that came later"


def wait_for_queue(project: Project) -> None:
    for _ in range(300):
        status = project.run("dvc", "queue", "status").stdout
        if "Queued" not in status and "Running" not in status:
            assert "Failed" not in status, status
            assert status.count("Success") == 2, status
            return
        time.sleep(1)
    raise AssertionError(status)


@pytest.mark.slow
def test_a_champion_of_another_data_set_is_not_asked_for_rows_that_it_can_not_answer(
    new_project: Callable[[], Project],
) -> None:
    project = new_project()
    project.run("accord", "run", "data=rides", "objective=quality", "model=baseline")
    project.run("accord", "promote")
    latency = "objective.metrics.latency={team: product, builtin: p99_ms, max: 10000}"
    done = project.run("accord", "run", "data=diabetes", latency)
    assert set(json.loads(project.read("reports/measurement.json"))["figures"]) == {"candidate"}
    assert "the champion serves the data set rides, not diabetes" in done.stdout


@pytest.mark.slow
def test_a_champion_of_another_data_set_is_never_taken_for_one_of_the_selected(
    new_project: Callable[[], Project],
) -> None:
    project = new_project()
    project.run("accord", "run", "data=rides", "objective=quality", "model=baseline")
    project.run("accord", "promote")
    rides = champion(project)
    project.run("python", "-m", "accord.stages.compose", "data=diabetes")
    for command in ("judge", "promote"):
        said = project.refused("accord", command, *(["--reason", "mine"] if command == "promote" else []))
        assert "models/bundle holds a model of the data set rides, but diabetes is selected" in said
    project.run("accord", "run", "data=diabetes")
    other = f"The champion {rides} is of the data set rides, but diabetes is selected"
    said = project.refused("accord", "serve")
    assert other in said
    assert "accord serve --data rides" in said
    assert f"{rides} is of the data set rides, but flights is" in project.refused(
        "accord", "serve", "--data", "flights"
    )
    assert other in project.refused("accord", "retrain", "--now")
    assert "--reason" in project.refused("accord", "promote")

    done = project.run("accord", "promote", "--reason", "the rides are over")
    assert f"{other}; it is replaced all the same" in done.stdout
    diabetes = champion(project)
    assert diabetes != rides
    said = project.refused("accord", "rollback")
    assert f"before the champion, {rides}, is of the data set rides, but diabetes is selected" in said
    assert champion(project) == diabetes
    assert other in project.run("accord", "rollback", rides).stdout
    assert champion(project) == rides
    assert f"{rides}; " not in project.run("accord", "rollback").stdout
    assert champion(project) == diabetes


@pytest.mark.slow
def test_a_candidate_of_another_data_set_is_not_served_in_the_place_of_a_champion(
    new_project: Callable[[], Project],
) -> None:
    project = new_project()
    project.run("accord", "run", "data=rides", "objective=quality", "model=baseline")
    project.run("python", "-m", "accord.stages.compose", "data=diabetes")
    said = project.refused("accord", "serve")
    assert "models/bundle holds a model of the data set rides, but diabetes is selected" in said


def champion(project: Project) -> str:
    return str(json.loads(project.read("models/champion.json"))["model_id"])
