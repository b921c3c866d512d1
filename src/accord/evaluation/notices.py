"""What is too good to go unsaid. A notice, and no failure: some data are that easy."""

from collections.abc import Mapping
from typing import Any

from accord.tasks.registry import task

MAX_AUC = 0.99
MAX_SKILL = 0.95
MAX_SHARE = 0.9
"""Share of one feature in the contributions of all."""


def too_good(target: str, report: Mapping[str, Any]) -> list[dict[str, str]]:
    """Notices on one target's report, as target, kind and detail."""
    test = report["metrics"].get("test", {})
    found = []
    auc = test.get("auc", {}).get("value")
    if auc is not None and auc > MAX_AUC:
        found.append(
            ("auc", f"AUC is {auc:.4f} on test, above {MAX_AUC}: look for a leak before you believe it")
        )
    loss = test.get(task(report["task"]).proper_loss, {})
    if loss.get("value") is not None and loss.get("baseline"):
        skill = 1 - loss["value"] / loss["baseline"]
        if skill > MAX_SKILL:
            found.append(
                (
                    "skill",
                    f"skill is {skill:.4f} on test, above {MAX_SKILL}: look for a leak before you believe it",
                )
            )
    total = sum(row["contribution"] for row in report["importance"])
    if len(report["importance"]) > 1 and total > 0:
        first = report["importance"][0]
        share = first["contribution"] / total
        if share > MAX_SHARE:
            detail = f"rests on feature '{first['feature']}' by {share:.1%} of all contributions, above {MAX_SHARE:.0%}"
            found.append(("feature", detail))
    return [{"target": target, "kind": kind, "detail": detail} for kind, detail in found]
