"""conf/ and the selection as one config: every option of every group composes, and mistakes are named."""

import os
from pathlib import Path

import pytest
import yaml
from omegaconf import OmegaConf
from shipped import shipped_values

from accord.config import compose, lock, selection
from accord.errors import AccordError
from accord.models import loading
from accord.paths import Paths
from accord.schema.config import Config

ROOT = Path(__file__).parents[2]
OPTIONS = [
    (folder.name, file.stem)
    for folder in sorted((ROOT / "conf").iterdir())
    if folder.is_dir()
    for file in sorted(folder.glob("*.yaml"))
]
MAKES_SENSE_OF_OTHER_DATA = "objective=quality"


@pytest.mark.parametrize(("group", "option"), OPTIONS, ids=lambda word: word)
def test_every_option_of_every_group_composes(composed, group: str, option: str):
    words = [f"{group}={option}"]
    if group == "data" and option != "flights":
        words.append(MAKES_SENSE_OF_OTHER_DATA)
    values = composed(*words)
    config = Config.model_validate(values)
    assert loading.checked_params(config.model) == values["model"]
    if group == "data":
        assert config.data.name == option
    if group == "model":
        own = yaml.safe_load((ROOT / f"conf/model/{option}.yaml").read_text(encoding="utf-8"))
        assert own.items() <= values["model"].items()


def test_what_ships_composes_to_the_lock_that_ships(composed):
    shipped = yaml.safe_load((ROOT / "conf.lock.yaml").read_text(encoding="utf-8"))
    assert composed() == shipped


def test_every_default_is_spelled_out(composed):
    values = composed("model=linear")
    assert values["model"]["max_iter"] == 500
    assert values["data"]["sources"]["airports"]["separator"] == ","
    assert values["objective"]["targets"]["disruption"]["loss"] == "log"
    assert "???" not in str(values)


def test_references_between_sections_are_resolved(composed):
    values = composed()
    assert (
        values["objective"]["targets"]["disruption"]["sql"] == values["data"]["targets"]["disruption"]["sql"]
    )
    assert "${" not in str(values)


def test_an_override_replaces_one_value(composed):
    values = composed("model.num_leaves=7")
    shipped = composed()
    assert values["model"] == {**shipped["model"], "num_leaves": 7}
    assert {**values, "model": None} == {**shipped, "model": None}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["evaluation.levle=0.9"], ["evaluation.levle", "'level'"]),
        (["evaluation.level=high"], ["evaluation.level", "'high'"]),
        (["evaluation.level=2"], ["evaluation.level", "2", "less than 1"]),
        (["data.split.tset=1mo"], ["data.split.tset", "'test'"]),
        (["data.split.cutoff=someday"], ["data.split.cutoff", "someday"]),
        (["data.columns.temp.tpye=number"], ["data.columns.temp.tpye", "'type'"]),
        (["data.columns.carrier.min=1"], ["data.columns.carrier", "min and max"]),
        (["data.as_of.weather.tolerence=6h"], ["data.as_of.weather.tolerence", "'tolerance'"]),
        (["objective.targets.payout.loss=log"], ["objective.targets.payout", "log", "regression"]),
        (["objective.targets.payout.task=ranking"], ["objective.targets.payout.task", "ranking"]),
        (["serving.port=70000"], ["serving.port", "70000"]),
        (["sede=3"], ["sede", "'seed'"]),
        (["seed=null"], ["seed"]),
        (["model.num_leafs=3"], ["model.num_leafs", "'num_leaves'"]),
        (["model.num_leaves=many"], ["model.num_leaves", "'many'"]),
        (["model.learning_rate=0"], ["model.learning_rate", "greater than 0"]),
        (["model=linear", "model.num_leaves=3"], ["model.num_leaves", "Linear", "C"]),
        (["model._target_=accord.models.nope.Nope"], ["model._target_", "accord.models.nope"]),
        (["model._target_=pathlib.Path"], ["model._target_", "pathlib.Path", "no subclass"]),
        (["model._target_=null"], ["model._target_"]),
        (["features.drop=[tmep]"], ["features.drop", "'temp'"]),
        (["data.slices=[wekday]"], ["data.slices", "'weekday'"]),
        (["data.key=[flihgt]"], ["data.key", "'flight'"]),
        (["data.subject=fligth"], ["data.subject", "'flight'"]),
        (["data.subject=arr_delay"], ["data.subject", "'arr_delay'", "outcome"]),
        (["data.subject=dest", "data.columns.dest.pii=drop"], ["data.subject", "'dest'", "pii: hash"]),
        (["data.columns.carrier.pii=drop"], ["data.key", "'carrier'", "pii: hash"]),
        (["data.columns.arr_delay.pii=hash"], ["data.columns.arr_delay.pii", "outcome"]),
        (["serving.traffic.retention=3"], ["serving.traffic.retention", "'retention_days'"]),
        (
            ["serving=postgres", "serving.traffic.postgres.tabel=x"],
            ["serving.traffic.postgres.tabel", "'table'"],
        ),
        (["data.time.event=carrier"], ["data.time", "carrier", "datetime"]),
        (["data.time.decision=decidde_at"], ["data.time", "'decided_at'"]),
        (["data.rows=flihgts"], ["data.rows", "'flights'"]),
        (["data.checks.leaks.accepted=[arr_delay]"], ["data.checks.leaks.accepted", "arr_delay"]),
        (["data.columns.decided_at.nullable=true"], ["data.time", "decided_at", "nullable"]),
        (["data.time=null"], ["data.as_of", "data.time"]),
        (["data.time.zone=Mars/Phobos"], ["data.time.zone", "'Mars/Phobos'", "valid: Africa/Abidjan"]),
        (["data.time.zone=America/New_Yorc"], ["data.time.zone", "did you mean 'America/New_York'"]),
        (["data.time.zone=''"], ["data.time.zone"]),
        (["data.split.cutoff='2024-02-30'"], ["data.split.cutoff", "'2024-02-30'"]),
        (
            ["data.columns.decided_at.format='%m/%Y'"],
            ["data.columns.decided_at.format", "year, month and day"],
        ),
        (
            ["data.sources.flights.columns={x: {type: datetime, format: 'd/m/y'}}"],
            ["data.sources.flights.columns.x.format", "'d/m/y'"],
        ),
        (["data.columns.temp.format='%Y-%m-%d'"], ["data.columns.temp", "format needs a type of datetime"]),
        (
            ["data.columns.carrier.decimal=','"],
            ["data.columns.carrier", "decimal needs a type of integer or"],
        ),
        (["data.columns.origin.values=[true, false]"], ["data.columns.origin.values", "in quotes"]),
        (["data.columns.temp.nulls=[-999]"], ["data.columns.temp.nulls", '"-999"']),
        (["data.sources.flights.encoding=latin-9000"], ["data.sources.flights.encoding", "latin-9000"]),
        (["data.sources.flights.encoding=hex"], ["data.sources.flights.encoding", "hex"]),
        (["data.sources.weather.available_at=null"], ["data.as_of.weather", "available_at"]),
    ],
    ids=lambda part: part[-1].split("=")[0] if isinstance(part, list) and "=" in part[-1] else "",
)
def test_a_mistake_is_named_with_its_key_and_what_is_valid(composed, words: list[str], said: list[str]):
    with pytest.raises(AccordError) as error:
        composed(*words)
    for part in said:
        assert part in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (
            {"derived": {"late_before": "arr_delay * 2"}},
            ["data.derived.late_before", "'arr_delay'", "outcome"],
        ),
        ({"derived": {"distance": "temp * 2"}}, ["data.derived.distance", "already"]),
        ({"derived": {"far": "distanse > 3"}}, ["data.derived.far", "'distance'"]),
        ({"derived": {"relative": "distance / AVG(distance)"}}, ["data.derived.relative", "aggregate"]),
        ({"rules": {"far": "distance * 2"}}, ["data.rules.far", "expected a condition"]),
        ({"rules": {"far": "distance >"}}, ["data.rules.far", "not a SQL expression"]),
    ],
    ids=[
        "outcome in a derived feature",
        "name taken",
        "unknown column",
        "aggregate",
        "rule that is no condition",
        "syntax",
    ],
)
def test_an_expression_of_the_data_that_cannot_work_is_refused(composed, overrides: dict, said: list[str]):
    with pytest.raises(AccordError) as error:
        composed(data=overrides)
    for part in said:
        assert part in str(error.value)


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ({"sql": "arr_dealy >= 60"}, ["objective.targets.payout.sql", "'arr_delay'"]),
        ({"sql": "MAX(arr_delay)"}, ["objective.targets.payout.sql", "aggregate"]),
        ({"sql": "arr_delay - AVG(arr_delay)"}, ["objective.targets.payout.sql", "aggregate"]),
        ({"sql": "temp * 2"}, ["objective.targets.payout.sql", "uses no outcome", "arr_delay"]),
        ({"sql": "upper('arr_delay')"}, ["objective.targets.payout.sql"]),
        ({"sql": "'arr_delay' = carrier"}, ["objective.targets.payout.sql", "uses no outcome"]),
        ({"sql": "concat(arr_delay, 'x')"}, ["objective.targets.payout.sql", "expected a number"]),
        ({"weight": "1 + nope"}, ["objective.targets.payout.weight", "nope"]),
        ({"alternatives": {"other": {"description": "d", "rows": "arr_delay", "sql": "arr_delay"}}},
         ["objective.targets.payout.alternatives.other.rows", "expected a condition"]),
    ],
    ids=["unknown column", "aggregate", "hidden aggregate", "no outcome", "text", "outcome in quotes", "text of an outcome", "weight", "alternative"],
)  # fmt: skip
def test_an_expression_of_a_target_that_cannot_work_is_refused(composed, target: dict, said: list[str]):
    with pytest.raises(AccordError) as error:
        composed(objective={"targets": {"payout": target}})
    for part in said:
        assert part in str(error.value)


@pytest.mark.parametrize(
    "words",
    [
        "LEFT JOIN weather AS w ON w.origin = f.origin",
        "left join  Weather w ON TRUE",
        "JOIN\nweather w USING (origin)",
    ],
)
def test_sql_may_not_join_a_source_whose_values_become_available_over_time(composed, words: str):
    with pytest.raises(AccordError, match=r"data\.joins.*weather.*as_of"):
        composed(data={"joins": f"SELECT f.*, w.temp FROM flights AS f {words}"})


@pytest.fixture
def secret(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("ACCORD_TEST_PASSWORD", "opensesame")
    return "opensesame"


def test_a_reference_to_the_environment_stays_a_reference(composed, secret: str):
    values = composed(serving={"host": "${oc.env:ACCORD_TEST_PASSWORD}"})
    assert values["serving"]["host"] == "${oc.env:ACCORD_TEST_PASSWORD}"
    assert secret not in lock.dump(values)


def test_a_reference_to_a_reference_to_the_environment_hides_the_secret_too(composed, secret: str):
    values = composed(
        serving={"host": "${oc.env:ACCORD_TEST_PASSWORD}"},
        data={
            "description": "at ${serving.host}:80",
            "sources": {"airports": {"path": "${data.description}/a.csv"}},
        },
    )
    assert values["data"]["description"] == "at ${oc.env:ACCORD_TEST_PASSWORD}:80"
    assert values["data"]["sources"]["airports"]["path"] == "at ${oc.env:ACCORD_TEST_PASSWORD}:80/a.csv"
    assert secret not in lock.dump(values)


def test_a_reference_to_the_environment_keeps_its_default(composed, secret: str):
    values = composed(serving={"host": "${oc.env:ACCORD_TEST_PASSWORD,localhost}"})
    assert values["serving"]["host"] == "${oc.env:ACCORD_TEST_PASSWORD,localhost}"


def test_a_reference_to_the_environment_needs_no_value_to_compose(composed):
    assert "ACCORD_TEST_UNSET" not in os.environ
    values = composed(serving={"host": "${oc.env:ACCORD_TEST_UNSET}"})
    assert values["serving"]["host"] == "${oc.env:ACCORD_TEST_UNSET}"


def test_after_composing_the_environment_resolves_again(composed, secret: str):
    composed(serving={"host": "${oc.env:ACCORD_TEST_PASSWORD}"})
    assert OmegaConf.create({"x": "${oc.env:ACCORD_TEST_PASSWORD}"}).x == secret


def test_postgres_differs_in_where_traffic_is_kept_and_in_nothing_else(composed):
    files, postgres = composed()["serving"], composed("serving=postgres")["serving"]
    assert files["traffic"].pop("postgres") is None
    assert postgres["traffic"].pop("postgres")["url"] == "${oc.env:ACCORD_POSTGRES}"
    assert files == postgres


@pytest.mark.parametrize(
    "value",
    ["${data.nope}", "${nope:x}", "${data.description", "${serving.host}"],
    ids=["unknown key", "unknown resolver", "syntax", "itself"],
)
def test_a_reference_that_leads_nowhere_is_one_error(composed, value: str):
    with pytest.raises(AccordError) as error:
        composed(serving={"host": value})
    assert "\n" not in str(error.value)


def test_a_key_that_an_option_leaves_out_is_named_with_how_to_inherit_it(composed, selected_folder: Path):
    mine = selected_folder / "conf/serving/mine.yaml"
    mine.write_text("host: 0.0.0.0\n", encoding="utf-8")
    with pytest.raises(AccordError) as error:
        composed("serving=mine")
    assert "serving.port is missing in conf/serving/mine.yaml or params.yaml" in str(error.value)
    assert "add it, or begin with `defaults: [default, _self_]`" in str(error.value)
    mine.write_text("defaults: [default, _self_]\nhost: 0.0.0.0\n", encoding="utf-8")
    assert composed("serving=mine")["serving"] == {**composed()["serving"], "host": "0.0.0.0"}


def test_an_option_that_rests_on_one_that_is_gone_is_named(selected_folder: Path):
    (selected_folder / "conf/objective/own.yaml").write_text("defaults: [gone, _self_]\n", encoding="utf-8")
    chosen = selection.read(Paths(selected_folder))
    chosen.groups["objective"] = "own"
    with pytest.raises(AccordError, match="Could not load 'objective/gone'"):
        compose.fitted(chosen, selected_folder / "conf")


def test_a_parameter_that_the_file_of_a_model_leaves_out_is_named(composed, selected_folder: Path):
    file = selected_folder / "conf/model/linear.yaml"
    file.write_text("_target_: accord.models.linear.Linear\nC: 1.0\n", encoding="utf-8")
    with pytest.raises(AccordError, match=r"model\.max_iter is missing, which Linear needs"):
        composed("model=linear")


def test_the_data_set_of_the_readme_begins_with_what_conf_has_for_all(composed, selected_folder: Path):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    example = readme.split("```yaml\nname: rides\n")[1].split("```")[0]
    (selected_folder / "conf/data/rides.yaml").write_text(f"name: rides\n{example}", encoding="utf-8")
    values, base = composed("data=rides", "objective=quality"), shipped_values()
    data = values["data"]
    assert data["rows"] == "rides"
    assert data["sources"]["rides"]["separator"] == base["data"]["sources"]["*"]["separator"]
    assert [column["role"] for column in data["columns"].values()] == ["feature", "feature", "outcome"]
    assert data["split"] == {**base["data"]["split"], "cutoff": None, "train": None}
    assert data["checks"]["leaks"] == {**base["data"]["checks"]["leaks"], "accepted": []}
    assert data["time"] is None
    assert values["objective"]["targets"]["delay"]["owner"] == "product"
    assert values["objective"]["policy"] is None


def test_what_data_sets_begin_with_holds_for_what_an_override_adds(composed):
    values = composed(
        data={"time": {"label_delay": "2d"}},
        objective={"metrics": {"reach": {"team": "sales", "sql": "AVG(action)", "better": "higher"}}},
    )
    assert values["data"]["time"]["zone"] == "America/New_York"
    assert values["objective"]["metrics"]["reach"]["scale"] == 1.0
    assert values["objective"]["policy"]["action"] == "score > 0"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("data:\n", "data: [\n", "is not valid YAML"),
        ("objective:\n", "objectives:\n", "expected the sections data and objective"),
        (
            "    tune: 0.2\n",
            "    tune: 0.2\n    tnue: 0.2\n",
            r"data\.split\.tnue: unknown key in .*conf/_base\.yaml",
        ),
        ("  split:\n", "  splot: {}\n  split:\n", r"data\.splot: unknown key in .*conf/_base\.yaml"),
        (
            "      level_rows: 30",
            "      #",
            r"data\.checks\.leaks\.level_rows is missing in .*conf/_base\.yaml",
        ),
    ],
    ids=["syntax", "unknown section", "unknown key", "unknown key of a section", "a key left out"],
)
def test_a_mistake_in_what_data_sets_begin_with_is_named(
    composed, selected_folder: Path, old: str, new: str, said: str
):
    file = selected_folder / "conf/_base.yaml"
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(AccordError, match=said) as error:
        composed()
    assert "\n" not in str(error.value)


def test_without_what_data_sets_begin_with_nothing_composes(composed, selected_folder: Path):
    (selected_folder / "conf/_base.yaml").unlink()
    with pytest.raises(AccordError, match=r"conf/_base\.yaml is missing"):
        composed()


@pytest.mark.parametrize("cleared", ["time", "checks", "columns"])
def test_a_section_that_is_null_gets_nothing_to_begin_with(composed, cleared: str):
    with pytest.raises(AccordError, match=rf"data\.({cleared}|as_of)"):
        composed(data={cleared: None})


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("  s2: ", "\ts2: ", r", line 16, is not valid YAML: found character '\\t' .*: '\\ts2: {.*indented by blanks"),
        ("  s2: ", "   s2: ", r", line 16, is not valid YAML: .*: '   s2: {.*in one column"),
        ("  s2: ", "s2: ", r", line 17, is not valid YAML: .*in one column"),
        ("  s2: ", "  s1: ", r", line 16, is not valid YAML: found duplicate key s1"),
        ("{type: category}", "*text", r", line 12, is not valid YAML: found undefined alias 'text'"),
        ("columns:", "columns: &all\n  more: *all", r" is not valid YAML: "),
        ("sql: target", "sql: @target", r", line [0-9]+, is not valid YAML: found character '@' .*in quotes"),
        ("years", "ann\u00e9es", r" is no text in UTF-8: .*Save it as UTF-8"),
        (None, "- age\n- sex\n", r" holds no keys with values"),
        (None, "12\n", r" holds no keys with values"),
    ],
)  # fmt: skip
def test_a_file_of_conf_that_is_no_yaml_is_named_with_its_line(
    composed, selected_folder: Path, old: str | None, new: str, said: str
):
    file = selected_folder / "conf/data/diabetes.yaml"
    text = file.read_text(encoding="utf-8")
    assert old is None or old in text
    file.write_text(new if old is None else text.replace(old, new, 1), encoding="latin-1")
    with pytest.raises(AccordError, match=rf"conf/data/diabetes\.yaml{said}") as error:
        composed("data=diabetes", "objective=quality")
    assert "\n" not in str(error.value)


def test_a_data_set_without_a_feature_is_refused(composed):
    columns = ["age", "sex", "bmi", "bp", *(f"s{i}" for i in range(1, 7))]
    words = ("data=diabetes", "objective=quality")
    with pytest.raises(AccordError, match=r"data\.columns: no column is a feature"):
        composed(*words, data={"columns": {name: {"role": "info"} for name in columns}})
    with pytest.raises(AccordError, match=r"data\.columns: no column is a feature"):
        composed(*words, features={"drop": columns})
    composed(*words, features={"drop": columns[1:]})
