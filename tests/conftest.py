from collections.abc import Callable

import pytest
from projects import Project, copy_to


@pytest.fixture(scope="session")
def new_project(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Project]:
    """Makes copies of the project that have not run yet."""
    return lambda: copy_to(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="session")
def project(new_project: Callable[[], Project]) -> Project:
    """A project whose pipeline has run on the rides; tests share it and leave it as they found it."""
    project = new_project()
    project.run("accord", "run", "data=rides", "objective=quality", "model.n_estimators=20")
    project.commit()
    project.run("git", "tag", "ran")
    return project
