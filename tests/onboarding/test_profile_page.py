"""`accord onboard` leaves a page of the table, and `accord report` writes it again from the figures."""

from collections.abc import Callable

from projects import Project

ROWS = [f"{i},{10 + i % 70},{'yes' if i * 7 % 5 else 'no'},anna.{i}@example.org" for i in range(300)]


def test_onboarding_leaves_a_page_that_report_writes_again(new_project: Callable[[], Project]):
    project = new_project()
    project.write("loans.csv", "\n".join(["loan no,income,paid,mail", *ROWS]) + "\n")
    said = project.run("accord", "onboard", "loans.csv", "--target", "paid").stdout
    page = project.read("reports/profile.html")
    assert "reports/profile.html" in said
    assert "What the data hold: loans" in page
    assert "anna." not in page
    (project.root / "reports/profile.html").unlink()
    project.run("accord", "report")
    assert project.read("reports/profile.html") == page
