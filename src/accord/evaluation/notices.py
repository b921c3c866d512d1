"""What is too good to go unsaid. A notice, and no failure: some data are that easy."""

from accord.evaluation.evaluated import Notice, TargetReport
from accord.tasks.registry import task

MAX_AUC = 0.99
MAX_SKILL = 0.95
MAX_SHARE = 0.9
"""Share of one feature in the contributions of all."""


def too_good(target: str, report: TargetReport) -> list[Notice]:
    """Notices on one target's report."""
    test = report.metrics.get("test", {})
    found = []
    auc = test["auc"].value if "auc" in test else None
    if auc is not None and auc > MAX_AUC:
        found.append(
            ("auc", f"AUC is {auc:.4f} on test, above {MAX_AUC}: look for a leak before you believe it")
        )
    loss = test.get(task(report.task).proper_loss)
    if loss is not None and loss.value is not None and loss.baseline:
        skill = 1 - loss.value / loss.baseline
        if skill > MAX_SKILL:
            found.append(
                (
                    "skill",
                    f"skill is {skill:.4f} on test, above {MAX_SKILL}: look for a leak before you believe it",
                )
            )
    total = sum(row.contribution for row in report.importance)
    if len(report.importance) > 1 and total > 0:
        first = report.importance[0]
        share = first.contribution / total
        if share > MAX_SHARE:
            detail = f"rests on feature '{first.feature}' by {share:.1%} of all contributions, above {MAX_SHARE:.0%}"
            found.append(("feature", detail))
    return [Notice(target, kind, detail) for kind, detail in found]
