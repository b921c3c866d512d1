"""The doctor finds nothing in a project that has run."""

from collections.abc import Callable

from projects import Project


def test_a_project_that_has_run_is_healthy(new_project: Callable[[], Project]) -> None:
    project = new_project()
    project.run("accord", "run", "data=rides", "objective=quality", "model.n_estimators=20")
    assert project.run("accord", "doctor").stdout.splitlines()[-1].startswith("Healthy: ")
