"""Multiclass targets: metrics beside scikit-learn's, names of columns, and outcomes from what SQL gives."""

from array import array

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from shipped import shipped, shipped_option
from sklearn import metrics as reference

from accord.bootstrap import Statistic
from accord.data.infer.suggested import suggested
from accord.errors import AccordError
from accord.measures.metrics import Sample, calibration_bins, value
from accord.models import Examples, Feature, loading
from accord.schema.objective import Target
from accord.tasks import registry
from accord.tasks.multiclass import names_of, softmax
from accord.tasks.task import Task

CLASSES = ["Adelie", "Chinstrap", "Gentoo"]
N_BLOCKS = 7


def target(**given: object) -> Target:
    values = {"task": "multiclass", "sql": "species", "classes": CLASSES, "owner": "science", **given}
    return Target.model_validate({name: one for name, one in values.items() if one is not None})


def task(*classes: str) -> Task:
    return registry.task_of(target(classes=list(classes or CLASSES)))


def classwise_error(y: np.ndarray, p: np.ndarray) -> float:
    errors = []
    for k in range(p.shape[1]):
        bins = calibration_bins(p[:, k])
        errors.append(
            sum((bins == b).mean() * abs((p[:, k] - (y == k))[bins == b].mean()) for b in np.unique(bins))
        )
    return float(np.mean(errors))


REFERENCES = {
    "log_loss": lambda y, p: reference.log_loss(y, p, labels=range(p.shape[1])),
    "auc": lambda y, p: reference.roc_auc_score(y, p, multi_class="ovr"),
    "auc_Chinstrap": lambda y, p: reference.roc_auc_score(y == 1, p[:, 1]),
    "accuracy": lambda y, p: reference.accuracy_score(y, p.argmax(axis=1)),
    "balanced_accuracy": lambda y, p: reference.balanced_accuracy_score(y, p.argmax(axis=1)),
    "calibration_error": classwise_error,
}


def scored(n: int = 300) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(5)
    p = softmax(generator.normal([0.5, 0, -0.5], size=(n, 3)))
    y = np.array([generator.choice(3, p=row) for row in p])
    return y.astype(float), p


@pytest.mark.parametrize("name", REFERENCES)
def test_a_metric_agrees_with_its_reference(name: str) -> None:
    y, p = scored()
    found = value(task().metric(name), y, p, task().losses[0])
    assert found == pytest.approx(REFERENCES[name](y, p), rel=1e-9)


def resampled(name: str, block: np.ndarray, y: np.ndarray, p: np.ndarray) -> Statistic:
    return task().metric(name).statistic(Sample(y, p, block, N_BLOCKS, task().losses[0]))


@pytest.mark.parametrize("name", [name for name in REFERENCES if name != "calibration_error"])
def test_drawing_blocks_is_repeating_their_rows(name: str) -> None:
    y, p = scored(140)
    block = np.random.default_rng(5).integers(0, N_BLOCKS, len(y)).astype(np.intp)
    counts = np.array([[1, 1, 1, 1, 1, 1, 1], [2, 0, 1, 0, 3, 1, 0], [0, 0, 0, 5, 1, 1, 0]], float)
    for drawn, found in zip(counts, resampled(name, block, y, p)(counts), strict=True):
        rows = np.repeat(np.arange(len(y)), drawn[block].astype(int))
        assert found == pytest.approx(REFERENCES[name](y[rows], p[rows]), rel=1e-9)


def test_a_class_that_is_not_drawn_is_left_out_of_means() -> None:
    p = softmax(np.array([[2.0, 0, 0], [0, 2, 0], [2, 0, 0], [0, 0, 2]]))
    y, block = np.array([0.0, 1, 1, 2]), np.array([0, 0, 0, 1])
    found = resampled("balanced_accuracy", block, y, p)(
        np.array([[1.0, 1, 0, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0, 0]])
    )
    assert found.tolist() == pytest.approx([(1 + 0.5 + 1) / 3, (1 + 0.5) / 2])
    assert np.isnan(resampled("auc_Gentoo", block, y, p)(np.array([[1.0, 0, 0, 0, 0, 0, 0]]))).all()


@given(st.lists(st.text(min_size=1), min_size=2, max_size=8, unique=True))
def test_classes_of_any_text_have_columns_of_their_own(classes: list[str]) -> None:
    names = names_of(classes)
    assert len(set(names)) == len(classes)
    assert all(f"species_{name}".isidentifier() for name in names)
    assert task(*classes).outputs == names


def test_columns_are_called_after_classes() -> None:
    assert registry.predicted("species", target()).columns == (
        "species_Adelie", "species_Chinstrap", "species_Gentoo",
    )  # fmt: skip
    assert names_of(["a", "a!", "a_2"]) == ("class_1", "class_2", "class_3")


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        (["low", "high", None, "other"], ["high", "low"]),
        ([4, 3, None, 7], ["3", "4"]),
        ([4.0, 3.0, None, 7.0], ["3", "4"]),
        (["it's", 'a "b"', None, "x"], ['a "b"', "it's"]),
    ],
)  # fmt: skip
def test_what_sql_gives_is_compared_as_text(values: list[object], classes: list[str]) -> None:
    rows, one = pl.DataFrame({"species": values}, strict=False), task(*classes)
    assert one.outcomes(rows, "species", "sql").tolist() == pytest.approx([1, 0, np.nan, np.nan], nan_ok=True)
    actual = one.actual(rows, "species", "sql")
    assert actual.to_list()[:3] == [classes[1], classes[0], None]
    assert one.as_actual(one.of_actual(actual)).to_list() == [classes[1], classes[0], None, None]
    kept = rows.select(pl.sql_expr(str(one.rule("species"))).alias("kept"))["kept"]
    assert kept.to_list() == [True, True, None, False]


def test_a_condition_has_the_classes_true_and_false() -> None:
    rows = pl.DataFrame({"x": [1, 5, None]})
    found = task("false", "true").outcomes(rows, "x > 3", "sql")
    assert found.tolist() == pytest.approx([0, 1, np.nan], nan_ok=True)


def test_the_likeliest_class_is_the_first_of_several() -> None:
    predicted = registry.predicted("species", target())
    assert (
        predicted.likeliest({"species_Adelie": 0.3, "species_Chinstrap": 0.4, "species_Gentoo": 0.3})
        == "Chinstrap"
    )
    assert (
        predicted.likeliest({"species_Adelie": 0.4, "species_Chinstrap": 0.2, "species_Gentoo": 0.4})
        == "Adelie"
    )
    assert (
        predicted.likeliest({"species_Adelie": None, "species_Chinstrap": 0.2, "species_Gentoo": 0.4}) is None
    )


def test_a_class_without_a_training_row_is_named() -> None:
    assert "no training row of the class 'Chinstrap', which" in str(task().remark(np.array([0.0, 2, 2])))
    assert task().remark(np.array([0.0, 1, 2])) is None


def test_a_single_class_leaves_nothing_to_learn() -> None:
    assert "all 2 training rows are of the class 'Gentoo'" in str(task().fault(np.array([2.0, 2]), "train"))
    assert task().fault(np.array([0.0]), "test") is None


@pytest.mark.parametrize("option", ["lightgbm", "linear", "baseline"])
@pytest.mark.parametrize("there", [(0, 2), (1, 2, 3)])
def test_a_class_that_training_lacks_has_next_to_no_probability(option: str, there: tuple[int, ...]) -> None:
    generator = np.random.default_rng(1)
    X = generator.normal(size=(300, 2))
    y = np.array(there)[np.digitize(X[:, 0], [-0.5, 0.5][: len(there) - 1])].astype(float)
    loss = task("a", "b", "c", "d").losses[0]
    model = loading.build(shipped_option("model", option))
    fitted = model.fit([Feature("x"), Feature("z")], loss, Examples(X, y), Examples(X[:90], y[:90]), seed=1)
    p = softmax(fitted.raw(X))
    assert (np.delete(p, there, axis=1) < 1e-4).all()
    row = array("d", X[5])
    assert fitted.raw(X[5:6]).tolist() == [list(fitted.of_row(row)())]
    if option != "baseline":
        assert (p.argmax(axis=1) == y).mean() > 0.85


@pytest.mark.parametrize(
    ("classes", "said"),
    [
        (["a"], "at least 2"),
        (["a", "b", "a"], "'a' stands there twice"),
        (["a", ""], "at least 1 item"),
        ([1, 2], 'write "1"'),
        ([True, "no"], "write the word in quotes"),
    ],
)  # fmt: skip
def test_classes_are_different_words(classes: list[object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        target(classes=classes)


def test_a_task_that_needs_classes_says_so_and_another_refuses_them() -> None:
    with pytest.raises(AccordError, match="a multiclass target needs classes"):
        registry.task_of(target(classes=None))
    with pytest.raises(AccordError, match="a binary target has no classes"):
        registry.task_of(target(task="binary"))


def test_a_target_without_classes_has_the_bytes_that_it_had() -> None:
    assert "classes" not in shipped(Target, task="binary", sql="late", owner="x").model_dump()


def test_suggested_classes_are_what_numbers_are_compared_with() -> None:
    values = pl.Series("code", [1234567.0, 1234568.0, 1234569.0] * 40)
    classes = suggested(values, ["code"], "multiclass").keys["classes"]
    found = task(*classes).outcomes(pl.DataFrame({"code": values}), "code", "sql")
    assert found.tolist() == [0, 1, 2] * 40
