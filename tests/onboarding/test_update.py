"""A changed file, beside the contract that there is."""

import csv
import io
from collections.abc import Callable, Iterator

import pytest
from loans import loans
from projects import Project


@pytest.fixture(scope="module")
def copy(new_project: Callable[[], Project]) -> Project:
    """A project with loans onboarded, whose contract somebody has since edited."""
    project = new_project()
    project.write("loans.csv", loans(2000))
    project.run("accord", "onboard", "loans.csv", "--target", "rate in %")
    path = "conf/data/loans.yaml"
    lines = project.read(path).splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("  income:"))
    lines[at] = "  income:   # by hand\n    type: integer\n    min: 0\n    max: 100  # thousands"
    project.write(path, "\n".join(lines) + "\n# the end\n")
    project.commit()
    return project


@pytest.fixture(autouse=True)
def as_found(copy: Project) -> Iterator[None]:
    yield
    copy.run("git", "checkout", "--quiet", ".")


def changed(project: Project, change: Callable[[dict[str, str]], dict[str, str | None]]) -> None:
    """The file with each row as the change makes it; None takes a column out."""
    rows = [
        {k: v for k, v in {**row, **change(row)}.items() if v is not None}
        for row in csv.DictReader(io.StringIO(loans(2000)))
    ]
    out = io.StringIO()
    writer = csv.DictWriter(out, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    project.write("loans.csv", out.getvalue())


def update(project: Project, *words: str) -> str:
    return project.run("accord", "onboard", "loans.csv", "--update", *words).stdout


def written(project: Project) -> list[str]:
    """The lines that differ from before, once the update is written; it composes."""
    update(project, "--force")
    project.run("accord", "onboard", "loans.csv", "--update", "--force")
    diff = project.run("git", "diff", "--unified=0", "conf/data").stdout.splitlines()
    return [line for line in diff if line[:1] in "+-" and line[:3] not in ("+++", "---")]


def test_the_same_file_changes_nothing(copy: Project):
    assert "holds as it is" in update(copy)
    assert written(copy) == []


@pytest.mark.parametrize(
    ("change", "said", "lines"),
    [
        (lambda row: {"city": "north"}, "city is new", ["+  city: {type: category"]),
        (lambda row: {"select": None}, "select is gone", ["-  select: {type: category"]),
        (lambda row: {"income": str(int(row["income"]) * 3)}, "beyond max 100", ["-    max: 100  # thousands", "+    max: 270  # thousands"]),
        (lambda row: {"income": ""}, "2,000 of 2,000 rows have no income", ["+    nullable: true"]),
        (lambda row: {"income": f"about {row['income']}"}, "are no integer", ["-    type: integer", "-    max: 100", "+    type: category"]),
        (
            lambda row: {"Purpose of loan": row["Purpose of loan"].replace("car", "boat")}, "new levels 'boat'",
            ["-  purpose_of_loan:", '+  purpose_of_loan: {type: category, source: Purpose of loan, values: [car, house, "it\'s for fun", boat]'],
        ),
    ],
)  # fmt: skip
def test_a_change_is_said_and_written_by_force_alone(
    copy: Project, change: Callable, said: str, lines: list[str]
):
    changed(copy, change)
    before = copy.read("conf/data/loans.yaml")
    assert said in update(copy)
    assert copy.read("conf/data/loans.yaml") == before
    found = written(copy)
    for line in lines:
        assert any(one.startswith(line) for one in found), found
    assert len(found) <= 5
    assert "# by hand" in copy.read("conf/data/loans.yaml")
    assert "# the end" in copy.read("conf/data/loans.yaml")


def test_a_few_odd_rows_change_no_contract(copy: Project):
    rows = iter(range(2000))
    changed(copy, lambda row: {"income": "-5" if next(rows) < 5 else row["income"]})
    said = update(copy)
    assert "5 values of income are beyond min 0" in said
    assert "holds as it is" in said


def test_a_data_set_that_is_not_there_is_refused(copy: Project):
    copy.write("loan.csv", loans(50))
    assert "did you mean 'loans'" in copy.refused("accord", "onboard", "loan.csv", "--update")
