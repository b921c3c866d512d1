"""The doctor finds nothing in a project that has run."""

from projects import Project


def test_a_project_that_has_run_is_healthy(project: Project) -> None:
    assert project.run("accord", "doctor").stdout.splitlines()[-1].startswith("Healthy: ")
