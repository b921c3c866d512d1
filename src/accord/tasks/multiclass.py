"""Multiclass: the probability of each of several classes, of which exactly one comes true."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from accord.losses import ONE, Loss, Matrix, Vector
from accord.measures import curves, estimates, metrics, multinomial
from accord.measures.metrics import Metric
from accord.sql.rows import as_name
from accord.tasks.task import Task

MAX_CHEAP = 10
"""With more classes than these, an AUC per class is too dear for every slice."""


def softmax(raw: Matrix) -> Matrix:
    """The inverse link of multinomial logistic regression: Agresti (2013), Categorical Data Analysis, ch. 8. Columns are added
    one after another, so that a row alone has the bits that it has among others."""
    raised = np.exp(np.ascontiguousarray(raw - raw.max(axis=1, keepdims=True)))
    total = raised[:, 0].copy()
    for column in raised.T[1:]:
        total += column
    return np.ascontiguousarray(raised / total[:, None])


def log_shares(y: Vector, weight: Vector | None, n_classes: int) -> Sequence[float]:
    """The logs of the classes' shares; none is below one in a million."""
    shares = np.bincount(y.astype(np.intp), weight, minlength=n_classes) / (
        len(y) if weight is None else weight.sum()
    )
    return [float(share) for share in np.log(np.maximum(shares, 1e-6))]


def names_of(classes: Sequence[str]) -> tuple[str, ...]:
    """What each class is called in names of columns: its text, with an underscore for what is no letter, digit or underscore;
    where nothing is left of it, or several would be called alike, its number from 1 on stands behind.

    >>> names_of(["Adelie", "Chinstrap (small)", "< 50", "> 50", "+"])
    ('Adelie', 'Chinstrap_small', '50_3', '50_4', '5')
    """
    plain = [as_name(name) for name in classes]
    counts = Counter(plain)
    names = [
        name if name and counts[name] == 1 else f"{name}_{number}".strip("_")
        for number, name in enumerate(plain, start=1)
    ]
    is_clear = len({*names}) == len(names)
    return tuple(names if is_clear else (f"class_{number}" for number, _ in enumerate(names, start=1)))


def of_classes(classes: tuple[str, ...]) -> Task:
    names, n = names_of(classes), len(classes)
    own = list(zip(classes, names, strict=True))

    def fault(y: Vector, split: str) -> str | None:
        there = np.unique(y)
        if split != "train" or len(there) > 1:
            return None
        return f"all {len(y):,} training rows are of the class '{classes[int(there[0])]}'; expected two classes or more"

    def remark(y: Vector) -> str | None:
        counts = np.bincount(y.astype(np.intp), minlength=n)
        lacking = [text for text, count in zip(classes, counts, strict=True) if not count]
        if not lacking:
            return None
        more = f" and of {len(lacking) - 1} other classes" if len(lacking) > 1 else ""
        return f"has no training row of the class '{lacking[0]}'{more}, which can't be predicted then"

    def rates(name: str, acts: bool) -> dict[str, str]:
        """Of each class: how often the policy acts, how many are found, and how far the prediction is off on average."""
        found = {}
        for number, (text, column) in enumerate(own):
            is_it = "actual_{} = '{}'".format(name, text.replace("'", "''"))
            if acts:
                found[f"selection rate, {name} {text}"] = f"AVG(action) FILTER (WHERE {is_it})"
            others = " AND ".join(
                f"{name}_{column} {'>' if other < number else '>='} {name}_{names[other]}"
                for other in range(n)
                if other != number
            )
            found[f"recall, {name} {text}"] = (
                f"AVG(CASE WHEN {others} THEN 1 ELSE 0 END) FILTER (WHERE {is_it})"
            )
            known = f"CASE WHEN {is_it} THEN 1 WHEN actual_{name} IS NOT NULL THEN 0 END"
            found[f"predicted less observed {name} {text}"] = f"AVG({name}_{column} - {known})"
        return found

    return Task(
        losses=(
            Loss(
                "softmax",
                softmax,
                lambda y, weight: log_shares(y, weight, n),
                raw=names,
                lightgbm=({"objective": "multiclass", "num_class": n},),
                family="multinomial",
                scale="logit",
            ),
        ),
        metrics=(
            *_of_all(n),
            *(
                Metric(
                    f"auc_{column}", "higher", multinomial.of_class(metrics.auc, k), f"AUC, {text}",
                    f"share of pairs, one of class {text} and one of another, that are ranked rightly", cheap=False,
                )
                for k, (text, column) in enumerate(own)
            ),
            *(
                Metric(
                    f"calibration_error_{column}", "lower", multinomial.of_class(metrics.calibration_error, k),
                    f"calibration error, {text}",
                    f"mean gap between the predicted and the observed share of class {text}, over ten bins", cheap=False,
                )
                for k, (text, column) in enumerate(own)
            ),
        ),
        proper_loss="log_loss",
        outputs=names,
        outcome="class",
        classes=classes,
        fault=fault,
        remark=remark,
        followed=("balanced_accuracy",),
        rates=rates,
        evidently="ClassificationPreset",
        plots=(curves.confusion(classes), curves.CALIBRATION_OF_CLASSES),
        estimates={
            "log_loss": estimates.log_loss,
            "auc": estimates.auc,
            "balanced_accuracy": estimates.balanced_accuracy,
            "accuracy": estimates.accuracy,
        },
    )  # fmt: skip


def _of_all(n_classes: int) -> tuple[Metric, ...]:
    """The metrics of all classes together."""
    return (
        Metric(
            "log_loss", "lower", multinomial.log_loss, "log loss", "mean surprise at the class, given its predicted probability"
        ),
        Metric(
            "auc", "higher", multinomial.mean_of_classes(metrics.auc), "macro AUC",
            "mean over the classes of the AUC of each against the rest", cheap=n_classes <= MAX_CHEAP,
        ),
        Metric(
            "balanced_accuracy", "higher", multinomial.balanced_accuracy, "balanced accuracy",
            "mean over the classes of the share of their rows for which they are the likeliest",
        ),
        Metric("accuracy", "higher", multinomial.accuracy, "accuracy", "share of rows whose class is the likeliest"),
        Metric(
            "calibration_error", "lower", multinomial.mean_of_classes(metrics.calibration_error), "calibration error",
            "mean over the classes of the gap between predicted and observed share, over ten bins each", cheap=False,
        ),
    )  # fmt: skip


MULTICLASS = Task(
    losses=(Loss("softmax", softmax, lambda y, weight: log_shares(y, weight, 1), raw=ONE),),
    metrics=_of_all(0),
    proper_loss="log_loss",
    outcome="class",
    of_classes=of_classes,
    plots=(curves.confusion(()), curves.CALIBRATION_OF_CLASSES),
)
"""What holds whatever the classes are; `of_classes` is the task of a target."""
