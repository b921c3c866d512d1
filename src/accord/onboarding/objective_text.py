"""The text of an objective of a data set's own, where `quality` says too little."""

from accord.onboarding.proposal import Proposal


def text(proposal: Proposal) -> str | None:
    """The file in conf/objective; None where objective=quality fits."""
    return None
