"""A raw file becomes a data set by one command."""

from collections.abc import Callable, Iterator

import pytest
from loans import loans
from projects import STAGES, Project

FAST = ("model.n_estimators=20", "evaluation.n_resamples=50")


@pytest.fixture(scope="module")
def copy(new_project: Callable[[], Project]) -> Project:
    project = new_project()
    project.write("elsewhere/loans 2024.csv", loans())
    project.commit()
    return project


@pytest.fixture(autouse=True)
def as_found(copy: Project) -> Iterator[None]:
    yield
    copy.run("git", "checkout", "--quiet", ".")
    copy.run("git", "clean", "--quiet", "--force", "-d")


def onboard(project: Project, target: str, *words: str, source: str = "elsewhere/loans 2024.csv") -> str:
    return project.run("accord", "onboard", source, "--target", target, *words).stdout


def files(project: Project) -> str:
    return project.run("git", "status", "--porcelain").stdout


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("paid back?", ("--positive", "no")),
        pytest.param("rate in %", (), marks=pytest.mark.slow),
        pytest.param("Purpose of loan", ("--key", "Loan no."), marks=pytest.mark.slow),
    ],
)
def test_a_file_runs_after_one_command(copy: Project, target: str, words: tuple[str, ...]):
    onboard(copy, target, *words)
    for stage in STAGES:
        copy.run("python", "-m", f"accord.stages.{stage}", *(FAST if stage == "compose" else ()))
    done = copy.run(
        "python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/data_sets/test_loans_2024.py"
    )
    assert "passed" in done.stdout


def test_what_is_guessed_stands_in_the_file_with_its_reason(copy: Project):
    said = onboard(copy, "paid back?")
    config = copy.read("conf/data/loans_2024.yaml")
    column = next(line for line in config.splitlines() if 'source: "paid back?"' in line)
    assert "type: boolean" in column
    assert "role: outcome" in column
    assert "#" in next(line for line in config.splitlines() if "task: binary" in line)
    assert "data=loans_2024 objective=quality" in said
    assert "data: loans_2024" in copy.read("params.yaml")


def test_the_service_takes_texts_as_long_as_the_file_has(copy: Project):
    copy.write("elsewhere/loans 2024.csv", loans().replace("car,a,no", f"car,{'long ' * 300},no", 1))
    said = onboard(copy, "paid back?")
    assert "serving.max_text=3000" in said
    assert "max_text: 3000" in copy.read("params.yaml")


def test_a_file_from_elsewhere_is_copied_to_where_dvc_looks(copy: Project):
    said = onboard(copy, "paid back?", "--name", "loans")
    assert copy.read("data/raw/loans.csv") == loans()
    assert "data/raw/loans.csv" in said
    assert "elsewhere" not in copy.read("conf/data/loans.yaml")


def test_nothing_is_overwritten_but_by_force(copy: Project):
    onboard(copy, "paid back?", "--name", "loans")
    onboard(copy, "paid back?", "--name", "loans")  # the same again
    copy.write("conf/data/loans.yaml", "name: mine\n")
    line = copy.refused(
        "accord", "onboard", "elsewhere/loans 2024.csv", "--target", "paid back?", "--name", "loans"
    )
    assert "conf/data/loans.yaml" in line
    assert "--force" in line
    assert copy.read("conf/data/loans.yaml") == "name: mine\n"
    onboard(copy, "paid back?", "--name", "loans", "--force")
    assert copy.read("conf/data/loans.yaml") != "name: mine\n"


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--target", "paid bakc?"], "did you mean 'paid back?'"),
        (["--target", "income", "--time", "when"], "--time when"),
        (["--target", "income", "--key", "Loan no"], "did you mean 'Loan no.'"),
        (["--target", "income", "--name", "2 loans"], "--name 2 loans"),
        (["--target", "income", "--type", "incme=number"], "did you mean 'income'"),
    ],
)
def test_words_that_fit_nothing_are_refused_and_nothing_is_written(copy: Project, words: list[str], why: str):
    before = files(copy)
    assert why in copy.refused("accord", "onboard", "elsewhere/loans 2024.csv", *words)
    assert files(copy) == before


def test_a_source_that_is_not_there_is_refused(copy: Project):
    line = copy.refused("accord", "onboard", "elsewhere/lonas.csv", "--target", "income")
    assert "elsewhere/lonas.csv is not there" in line


def test_a_name_that_another_data_set_has_gets_a_number(copy: Project):
    copy.run("cp", "elsewhere/loans 2024.csv", "elsewhere/flights.csv")
    for _ in range(2):
        onboard(copy, "paid back?", source="elsewhere/flights.csv")
        assert "data: flights_2" in copy.read("params.yaml")
