"""Posts what was decided to the webhook. A failure is reported, and changes nothing else."""

from typing import Any

import httpx

from accord.environment import resolved
from accord.errors import AccordError
from accord.monitoring.decision import Decision

TIMEOUT_S = 10


def message(decision: Decision) -> dict[str, Any]:
    """What the webhook gets. `text` is what chat services show."""
    window = decision.window
    n = len(decision.alarms)
    text = f"accord monitor: {n} alarm{'s' * (n != 1)} in {window.n_rows:,} rows"
    if window.begin and window.end:
        text += f" of {window.begin.isoformat()} to {window.end.isoformat()}"
    lines = [f"{alarm.kind}: {alarm.what}: {alarm.evidence}" for alarm in decision.alarms]
    record = decision.as_dict()
    parts = {name: record[name] for name in ("model", "window", "alarms", "notes")}
    return {"text": "\n".join([text, *lines]), **parts}


def notify(webhook: str, decision: Decision) -> str:
    """Posts the message; what came of it in words. The address may be a secret, so it isn't named."""
    try:
        address = resolved(webhook, "monitoring.webhook")
        answer = httpx.post(address, json=message(decision), timeout=TIMEOUT_S)
    except AccordError as error:
        return f"The webhook was not told: {error}"
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return f"The webhook was not told: {type(error).__name__}. Check monitoring.webhook"
    if answer.is_success:
        return "The webhook was told"
    return f"The webhook was not told: it answered {answer.status_code}. Check monitoring.webhook"
