"""Words such as `model=linear` against params.yaml."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from shipped import shipped_option

from accord import cli
from accord.config import selection
from accord.config.compose import fitted, select
from accord.config.selection import Selection
from accord.errors import AccordError
from accord.paths import Paths

pytestmark = pytest.mark.usefixtures("selected_folder")
HERE = Paths(Path())


def after(*words: str, overrides: dict | None = None) -> Selection:
    chosen = selection.read(HERE)
    return selection.with_words(Selection(chosen.groups, overrides or {}), words, HERE.conf)


def params() -> dict:
    return yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))


def test_a_word_switches_its_group_alone():
    before = selection.read(HERE)
    chosen = after("model=linear")
    assert chosen.groups == {**before.groups, "model": "linear"}
    assert chosen.overrides == {}
    assert chosen.notes == []


def test_words_do_not_change_the_selection_they_start_from():
    start = Selection(selection.read(HERE).groups, {"model": {"num_leaves": 7}})
    selection.with_words(start, ["model=linear", "evaluation.level=0.9"], HERE.conf)
    assert start == Selection(selection.read(HERE).groups, {"model": {"num_leaves": 7}})


def test_switching_a_group_drops_its_overrides_and_says_so():
    chosen = after("model=linear", overrides={"model": {"num_leaves": 7}, "seed": 3})
    assert chosen.overrides == {"seed": 3}
    assert len(chosen.notes) == 1
    assert "model: lightgbm -> linear" in chosen.notes[0]
    assert "dropped" in chosen.notes[0]


def test_choosing_the_same_option_again_keeps_its_overrides():
    chosen = after("model=lightgbm", overrides={"model": {"num_leaves": 7}})
    assert chosen.overrides == {"model": {"num_leaves": 7}}
    assert chosen.notes == []


@pytest.mark.parametrize("words", [["model=linear", "model.C=0.1"], ["model.C=0.1", "model=linear"]])
def test_an_override_belongs_to_the_new_option_wherever_it_stands(words: list[str]):
    chosen = after(*words, overrides={"model": {"num_leaves": 7}})
    assert chosen.groups["model"] == "linear"
    assert chosen.overrides == {"model": {"C": 0.1}}


def test_overrides_nest_and_leave_their_neighbours():
    chosen = after(
        "data.split.test=2mo",
        "data.checks.leaks.action=report",
        overrides={"data": {"split": {"holdout": 0.2}}},
    )
    assert chosen.overrides == {
        "data": {"split": {"holdout": 0.2, "test": "2mo"}, "checks": {"leaks": {"action": "report"}}}
    }


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.1", 0.1), ("3", 3), ("1e-3", 1e-3), ("true", True), ("null", None), ("1mo", "1mo"), ("'3'", "3"),
        ("[a, b]", ["a", "b"]), ("{a: 1}", {"a": 1}), ("a=b", "a=b"), ("~", None),
    ],
)  # fmt: skip
def test_a_value_has_the_type_that_yaml_gives_it(text: str, value: object):
    found = after(f"evaluation.x={text}").overrides["evaluation"]["x"]
    assert found == value
    assert type(found) is type(value)


def test_a_preset_expands_into_groups_and_overrides():
    chosen = after("experiment=quick")
    preset = yaml.safe_load(Path("conf/experiment/quick.yaml").read_text(encoding="utf-8"))
    assert chosen.overrides == preset["overrides"]
    assert chosen.groups == {**selection.read(HERE).groups, "model": preset["model"]}
    assert "experiment" not in chosen.groups


def test_words_beat_the_preset_they_stand_beside():
    chosen = after("evaluation.n_resamples=70", "experiment=quick")
    assert chosen.overrides["evaluation"] == {"n_resamples": 70}
    assert chosen.overrides["model"]["n_estimators"] == 60


def test_a_group_beside_a_preset_loses_the_overrides_of_the_other_option():
    chosen = after("experiment=quick", "model=linear")
    assert chosen.groups["model"] == "linear"
    assert "model" not in chosen.overrides


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("model=linaer", "did you mean 'linear'"),
        ("data=fligths", "did you mean 'flights'"),
        ("experiment=quik", "did you mean 'quick'"),
        ("modle=linear", "did you mean 'model'"),
        ("model.learning_rat=0.1", "did you mean 'learning_rate'"),
        ("evaluation.levl=0.9", "did you mean 'level'"),
        ("model", "expected group=option or key=value"),
        ("=linear", "expected group=option or key=value"),
        ("model.num_leaves=[1", "not valid YAML"),
        ("data.split.cutoff=2024-02-30", "day is out of range for month; expected a value that exists"),
        ("data.split.cutoff=2024-13-01", "month must be in 1..12"),
        ("data.split.cutoff=2024-02-01T25:00:00", "hour must be in 0..23"),
        ("model.num_leaves=many", "model.num_leaves: found 'many'"),
        ("model=[linear]", "no option"),
        ("model={a: 1}", "no option"),
        ("model.=3", "model."),
        ("seed=1.5", "seed"),
        ("data.split.cutoff=2024-02-30", "expected a value that exists"),
        ("data.split.cutoff=2024-13-01", "expected a value that exists"),
        ("data.split.cutoff=2024-01-01 25:00:00", "expected a value that exists"),
        ("objective.policy.weights.x=0.4", "valid: fee, relief, w"),
        ("objective.policy.weights.relif=0.4", "did you mean 'relief'"),
        ("objective.metrics.margn.max=3", "did you mean 'margin'"),
        ("objective.metrics.latency.target=payot", "leave out where, group and target"),
        ("objective.metrics.calibration.target=disrution", "did you mean 'disruption'"),
        ("objective.metrics.offer_gap.group=orign", "did you mean 'origin'"),
        ("objective.metrics.calibration.builtin=calibraton_error", "did you mean 'calibration_error'"),
        ("objective.targets.payot.unit=EUR", "did you mean 'payout'"),
        ("data.columns.carier.nullable=true", "did you mean 'carrier'"),
        ("data.groups=[orign]", "did you mean 'origin'"),
        ("model=", "names no option"),
        ("experiment=", "names no option"),
        ("seed=", "is not overridden"),
        ("model.num_leaves=", "is not overridden"),
    ],
)
def test_a_word_that_fits_nothing_ends_in_one_error_and_leaves_params_yaml(word: str, said: str):
    before = Path("params.yaml").read_bytes()
    with pytest.raises(AccordError) as error:
        select([word], HERE)
    assert said in str(error.value)
    assert "\n" not in str(error.value)
    assert Path("params.yaml").read_bytes() == before


def test_a_bad_word_among_good_ones_leaves_params_yaml():
    before = Path("params.yaml").read_bytes()
    with pytest.raises(AccordError, match="nope"):
        select(["model=linear", "evaluation.nope=1"], HERE)
    assert Path("params.yaml").read_bytes() == before


def test_selecting_writes_params_yaml_and_says_what_it_dropped():
    assert select(["model.num_leaves=7"], HERE) == []
    assert params()["overrides"] == {"model": {"num_leaves": 7}}
    [said] = select(["model=linear"], HERE)
    assert params()["model"] == "linear"
    assert params()["overrides"] == {}
    assert "overrides of lightgbm are dropped" in said


def test_a_word_without_a_value_takes_one_override_off():
    select(["model.num_leaves=7", "model.n_estimators=9", "data.split.test=2mo"], HERE)
    assert select(["model.num_leaves="], HERE) == []
    assert params()["overrides"] == {"model": {"n_estimators": 9}, "data": {"split": {"test": "2mo"}}}
    with pytest.raises(AccordError, match=r"did you mean 'model.n_estimators'"):
        select(["model.n_estimator="], HERE)
    select(["data.split=", "model.n_estimators="], HERE)
    assert params()["overrides"] == {}


def test_a_preset_says_that_it_stays_and_reset_takes_it_off():
    before = Path("params.yaml").read_bytes()
    assert "accord run --reset" in select(["experiment=quick", "model=baseline"], HERE)[0]
    said = select([], HERE, reset=True)
    assert "model: baseline -> lightgbm" in said
    assert any("evaluation.n_resamples" in line for line in said)
    assert yaml.safe_load(Path("params.yaml").read_bytes()) == yaml.safe_load(before)


def test_words_beside_reset_change_the_shipped_selection():
    select(["model.num_leaves=7", "seed=3"], HERE)
    select(["model.num_leaves=9"], HERE, reset=True)
    assert params()["overrides"] == {"model": {"num_leaves": 9}}


def edited(**groups: str) -> Selection:
    """The selection after an edit of params.yaml by hand, which leaves the overrides as they are."""
    chosen = selection.read(HERE)
    selection.write(Selection({**chosen.groups, **groups}, chosen.overrides), HERE.params)
    return selection.read(HERE)


def test_overrides_of_another_option_are_left_out_however_the_group_was_switched():
    select(
        ["experiment=quick", "objective.policy.weights.w=0.4", "objective.metrics.margin.weight=0.5"], HERE
    )
    chosen, values = fitted(edited(model="linear", objective="quality"), HERE.conf)
    assert chosen.overrides == {"evaluation": {"n_resamples": 100}}
    assert values["evaluation"]["n_resamples"] == 100
    said = " ".join(chosen.notes)
    for name in ("model.n_estimators", "objective.policy.weights.w", "objective.metrics.margin.weight"):
        assert name in said
    assert all("\n" not in note for note in chosen.notes)


def test_an_override_that_fits_no_option_stays_a_mistake():
    chosen = edited(model="linear")
    chosen.overrides = {"model": {"n_estimatrs": 3}}
    with pytest.raises(AccordError, match="n_estimatrs"):
        fitted(chosen, HERE.conf)


def test_overrides_that_both_options_have_or_that_define_something_new_stay():
    own = {"team": "product", "sql": "AVG(payout)", "better": "lower"}
    kept = {"model": {"seed": 3}} if "seed" in shipped_option("model", "linear") else {}
    kept |= {"objective": {"metrics": {"skill": own}}, "data": {"derived": {"far": "distance > 1000"}}}
    chosen = edited(model="linear")
    chosen.overrides = {**kept, "evaluation": {"level": 0.9}}
    assert fitted(chosen, HERE.conf)[0].overrides == chosen.overrides


def test_a_word_that_another_option_would_know_is_refused_all_the_same():
    select(["experiment=quick"], HERE)
    with pytest.raises(AccordError, match="n_estimators"):
        select(["model=linear", "model.n_estimators=9"], HERE)


def comments(text: str) -> list[str]:
    return [line[line.index("#") :] for line in text.splitlines() if "#" in line]


def test_writing_keeps_the_comments_and_the_order_of_params_yaml():
    before = Path("params.yaml").read_text(encoding="utf-8")
    for words in (["model.C=0.1", "model=linear"], ["model=lightgbm"], ["evaluation.level=0.9"]):
        select(words, HERE)
        text = Path("params.yaml").read_text(encoding="utf-8")
        assert comments(text) == comments(before)
        assert list(yaml.safe_load(text)) == list(yaml.safe_load(before))


def test_writing_what_was_read_changes_no_byte():
    before = Path("params.yaml").read_bytes()
    selection.write(selection.read(HERE), HERE.params)
    assert Path("params.yaml").read_bytes() == before


def test_there_and_back_gives_the_file_that_was():
    before = params()
    select(["model=linear", "model.C=0.1"], HERE)
    select([f"model={before['model']}"], HERE)
    assert params() == before


def test_what_was_written_reads_back():
    chosen = after("model=linear", "model.C=0.1", "data.split.cutoff=2013-08-01", "experiment=quick")
    selection.write(chosen, HERE.params)
    again = selection.read(HERE)
    assert (again.groups, again.overrides) == (chosen.groups, chosen.overrides)


NAMES = st.from_regex(r"[a-z]{1,6}", fullmatch=True)
VALUES = st.one_of(
    st.integers(-99, 99), st.floats(-9, 9), st.booleans(), NAMES, st.lists(st.integers(0, 9), max_size=3)
)
TREES = st.dictionaries(NAMES, VALUES | st.dictionaries(NAMES, VALUES, min_size=1, max_size=3), max_size=3)


@settings(max_examples=30, deadline=None)
@given(TREES)
def test_any_overrides_survive_params_yaml(overrides: dict):
    text = Path("params.yaml").read_text(encoding="utf-8")
    try:
        chosen = Selection(selection.read(HERE).groups, overrides)
        selection.write(chosen, HERE.params)
        assert selection.read(HERE).overrides == overrides
    finally:
        Path("params.yaml").write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("model: linaer", "did you mean 'linear'"),
        ("- model", "expected one line a config group"),
        ("overrides: [a]", "expected a mapping"),
        ("model: [", "not valid YAML"),
        ("model: linear\noverrides: {data: {split: {cutoff: 2023-02-29}}}", "day is out of range for month"),
        ("modle: linear", "did you mean 'model'"),
        ("model: [linear]", "no option"),
        ("", "expected one line a config group"),
    ],
)
def test_a_broken_params_yaml_ends_in_one_error(text: str, said: str):
    Path("params.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(AccordError) as error:
        selection.read(HERE)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_run_without_words_refuses_a_broken_params_yaml_too(capsys: pytest.CaptureFixture[str]):
    Path("params.yaml").write_text("data: flights\n\tmodel: linear\n", encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        cli.main(["run"])
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("accord: params.yaml is not valid YAML: ")


def test_a_missing_params_yaml_says_how_to_get_it_back():
    Path("params.yaml").unlink()
    with pytest.raises(AccordError, match="git checkout"):
        selection.read(HERE)


def test_a_group_that_is_not_chosen_is_named():
    Path("params.yaml").write_text("model: linear\n", encoding="utf-8")
    with pytest.raises(AccordError, match="is not chosen"):
        selection.read(HERE)


def test_an_override_takes_the_place_of_a_reference_to_the_config():
    reference = {"objective": {"targets": "${data.targets}"}, "data": {"targets": {"late": {"unit": "h"}}}}
    chosen = after("objective.targets.late.task=binary", overrides=reference)
    assert chosen.overrides["objective"] == {"targets": {"late": {"task": "binary"}}}


def test_a_date_is_kept_as_text_since_dvc_reads_no_other_from_params():
    chosen = after("data.split.cutoff=2013-08-01")
    assert chosen.overrides == {"data": {"split": {"cutoff": "2013-08-01"}}}
    selection.write(chosen, HERE.params)
    assert params()["overrides"]["data"]["split"]["cutoff"] == "2013-08-01"
