"""`accord explain` tells of a logged prediction from what it was made, by what and why."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from projects import Project
from shipped import shipped

from accord import cli, code
from accord.bundle.bundle import Bundle, load_bundle
from accord.client import Client
from accord.errors import AccordError
from accord.files import read_json, write_json
from accord.monitoring import explain
from accord.paths import Paths
from accord.report import explanation
from accord.schema.objective import Policy
from accord.schema.serving import Traffic
from accord.serving.answers import Answer
from accord.traffic import reading

POLICY = shipped(
    Policy,
    weights={"w": 2.0, "fee": 5.0},
    score="w * (fee - delay_minutes) - 10 * late * (station = 'north')",
    action="score > 0",
)
HERE = Paths(Path())
EXAMPLE_ID = "01890000-0000-7000-8000-000000000000"


@pytest.fixture(scope="module")
def answer(service: httpx.Client) -> Answer:
    """One that the service gave."""
    with Client(str(service.base_url)) as client:
        return client.predict(client.contract()["examples"][0]["rows"][0] | {"bike": "Fahrrad Ü"}).rows[0]


@pytest.fixture
def bundle(packaged: Project, monkeypatch: pytest.MonkeyPatch) -> Bundle:
    """The model with a policy, in the project that is the current folder."""
    monkeypatch.chdir(packaged.root)
    return replace(load_bundle(Path("models/bundle")), policy=POLICY)


def explained(monkeypatch: pytest.MonkeyPatch, bundle: Bundle, every: bool = False, **changes: Any) -> str:
    """The explanation of the example, logged as the bundle answers it but for these changes."""
    given = {"weights": None, **changes}
    weighed = explain._with_weights(bundle, {"w": 3.0} if given["weights"] else {})
    columns = {name: column.model_copy(update={"pii": None}) for name, column in bundle.columns.items()}
    frame = explain._frame(replace(bundle, columns=columns), bundle.example)  # the service had it all
    logged = {
        "prediction_id": EXAMPLE_ID,
        "at": datetime(2024, 3, 1, 10, tzinfo=UTC),
        "latency_us": 412,
        "model": bundle.model_id,
        "config": bundle.config_id,
        "code": "5e4f",
        "key": None,
        "probability": None,
        "warnings": [],
        **{f"row|{name}": value for name, value in bundle.example.items()},
        **{
            name if name in ("score", "action") else f"predicted|{name}": values.tolist()[0]
            for name, values in weighed.answer(frame).items()
        },
        **given,
    }
    monkeypatch.setattr(reading, "find", lambda *_: logged)
    monkeypatch.setattr(explain, "load_bundle", lambda _: bundle)
    return explanation.as_text(explain.explain(EXAMPLE_ID, shipped(Traffic), HERE), HERE, every)


def section(text: str, title: str) -> list[str]:
    lines = text.split(f"\n{title}\n")[1].split("\n\n")[0].splitlines()
    return [line.strip() for line in lines]


def test_a_prediction_of_the_service_is_explained(
    packaged: Project, answer: Answer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(packaged.root)
    cli.main(["explain", answer.prediction_id])
    text = capsys.readouterr().out
    manifest = read_json(Path("models/bundle/manifest.json"))
    assert text.startswith(f"Prediction  {answer.prediction_id}\n")
    assert f"model       {manifest['model_id']} in models/bundle\n" in text
    assert "outcome     not known yet\n" in text
    assert "Fahrrad Ü" in text.splitlines()[4]
    assert "bike       Fahrrad Ü" in section(text, "Row")
    assert section(text, "Predictions") == [
        f"delay_minutes  {answer.predictions['delay_minutes']:.6g} minutes",
        f"late           {answer.predictions['late']:.6g}",
        "recomputed: same bits",
    ]
    assert len(section(text, "What adds up to late")) == 1 + explanation.N_SHOWN + 2
    made_by = "\n".join(section(text, "Made by"))
    for proof in (
        manifest["config_sha256"][:16],
        manifest["data"]["sha256"][:16],
        code.hash_of_all()[:16],
        "lightgbm 4",
        "of the Bento",
    ):
        assert proof in made_by
    assert "WARNING" not in text


def test_all_contributions_are_shown_on_request_the_largest_first(
    monkeypatch: pytest.MonkeyPatch, bundle: Bundle
):
    constant, *parts, total = section(explained(monkeypatch, bundle, every=True), "What adds up to late")
    assert constant.endswith("  constant")
    assert {part.split()[1] for part in parts} == {e.name for e in bundle.transform.encodings}
    amounts = [float(part.split()[0]) for part in parts]
    assert amounts == sorted(amounts, key=abs, reverse=True)
    assert float(constant.split()[0]) + sum(amounts) == pytest.approx(float(total.split()[0]), abs=1e-3)
    assert "log-odds, which is 0." in total


def test_the_policys_arithmetic_is_written_out(monkeypatch: pytest.MonkeyPatch, bundle: Bundle):
    changes = {"predicted|delay_minutes": 3.5, "predicted|late": 0.25, "score": 0.5, "action": True}
    told = section(explained(monkeypatch, bundle, **changes, **{"row|station": "north"}), "Policy")
    assert told == [
        "weights  w 2, fee 5",
        "score    w * (fee - delay_minutes) - 10 * late * (station = 'north')",
        "= 2 * (5 - 3.5) - 10 * 0.25 * ('north' = 'north')",
        "= 0.5",
        "acts if  score > 0, here 0.5 > 0",
        "acted    true",
    ]


def test_weights_that_were_set_meanwhile_are_those_that_count(
    monkeypatch: pytest.MonkeyPatch, bundle: Bundle
):
    text = explained(monkeypatch, bundle, weights='{"w": 3.0}')
    assert section(text, "Policy")[0] == "weights  w 3, fee 5, of which some were set while the service ran"
    assert "recomputed: same bits" in text


def test_an_explored_action_is_shown_with_its_probability(monkeypatch: pytest.MonkeyPatch, bundle: Bundle):
    [acted] = section(explained(monkeypatch, bundle), "Policy")[-1:]
    other = acted.split()[-1] != "true"
    text = explained(monkeypatch, bundle, action=other, probability=0.05)
    said = section(text, "Policy")[-1]
    assert said.endswith(f"probability 0.05: explored, the policy alone would have said {acted.split()[-1]}")
    assert "same bits" in text


@pytest.mark.parametrize(
    "change", [{"predicted|late": 0.1234}, {"score": 1.5}, {"action": None}], ids=lambda change: str(*change)
)
def test_an_answer_that_comes_out_otherwise_is_warned_of(
    monkeypatch: pytest.MonkeyPatch, bundle: Bundle, change: dict[str, Any]
):
    text = explained(monkeypatch, bundle, **change)
    assert "OTHER BITS" in text
    assert (
        f"WARNING: recomputed, it comes out otherwise: {next(iter(change)).removeprefix('predicted|')} was"
        in text
    )


def test_a_row_without_its_personal_columns_is_not_recomputed(
    monkeypatch: pytest.MonkeyPatch, bundle: Bundle
):
    hidden = {
        "bike": bundle.columns["bike"].model_copy(update={"pii": "hash"}),
        "seats": bundle.columns["seats"].model_copy(update={"pii": "drop"}),
    }
    changed = replace(bundle, columns=bundle.columns | hidden)
    text = explained(monkeypatch, changed, **{"row|bike": "d41d8cd98f", "row|seats": None})
    assert "bike       d41d8cd98f (hashed)" in text
    assert "seats      not logged" in text
    assert "Can't be recomputed: the log keeps no bike, seats as it was" in text
    assert "What adds up to" not in text
    assert "acted" in text


def test_a_row_beside_those_of_other_models_is_still_recomputed(
    monkeypatch: pytest.MonkeyPatch, bundle: Bundle
):
    """Their columns are nulls, and what is an integer here may be a number or a text there."""
    for seats in (float(bundle.example["seats"]), str(bundle.example["seats"])):
        more = {"row|seats": seats, "row|other": None, "predicted|other": None}
        text = explained(monkeypatch, bundle, **more)
        assert "recomputed: same bits" in text
        assert "other" not in text
    text = explained(monkeypatch, bundle, **{"row|seats": "two"})
    assert "Can't be recomputed: seats: the log has 'two'; expected integer" in text


def test_an_outcome_is_shown_once_it_is_known(monkeypatch: pytest.MonkeyPatch, bundle: Bundle):
    assert "outcome     delay 12.5\n" in explained(monkeypatch, bundle, **{"outcome|delay": 12.5})


def test_without_the_model_only_what_the_log_has_is_shown(monkeypatch: pytest.MonkeyPatch, bundle: Bundle):
    text = explained(monkeypatch, bundle, model="0123456789abcdef")
    assert "The model can't be loaded: 0123456789abcdef is neither models/bundle, nor a release" in text
    assert "station" in text
    assert "recomputed" not in text


def test_the_model_may_be_the_candidate_a_release_or_in_a_bento(
    tmp_path: Path,
):
    paths = Paths(tmp_path)
    bento = tmp_path / ".bentoml/bentos/accord/c/src/models/bundle"
    for model_id, folder in (("a", paths.bundle), ("b", paths.releases / "b"), ("c", bento)):
        write_json(folder / "manifest.json", {"model_id": model_id})
        assert explain.bundle_folder(model_id, paths) == folder
    with pytest.raises(AccordError, match="nor in a Bento"):
        explain.bundle_folder("d", paths)


@pytest.mark.parametrize("prediction_id", [EXAMPLE_ID, "no id"])
def test_an_unknown_prediction_is_refused_in_one_line(
    packaged: Project, answer: Answer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], prediction_id: str
):  # fmt: skip
    monkeypatch.chdir(packaged.root)
    with pytest.raises(SystemExit) as ended:
        cli.main(["explain", prediction_id])
    assert ended.value.code == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"accord: No prediction '{prediction_id}' in the log; expected ")
