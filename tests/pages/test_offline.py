"""Pages that other programs write or draw show something in a real browser that reaches nothing but this machine."""

from collections.abc import Callable, Iterator

import pytest
from browser import LOCAL, opened
from playwright.sync_api import Browser, Page
from projects import Project
from services import Home, Running, running

PHONE, DESK = 360, 1200
"""Widths in pixels."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with opened() as browser:
        yield browser


@pytest.fixture(params=[PHONE, DESK])
def page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page that must ask the net for nothing, and raise no error."""
    found: list[str] = []
    page = browser.new_page(viewport={"width": request.param, "height": 800})
    page.on("request", lambda asked: None if asked.url.startswith(LOCAL) else found.append(asked.url))
    page.on("pageerror", lambda error: found.append(str(error)))
    page.on("console", lambda said: found.append(said.text) if said.type == "error" else None)
    yield page
    page.close()
    assert found == []


@pytest.fixture(scope="module")
def service(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    home = Home(tmp_path_factory.mktemp("home"))
    home.name_champion(home.release(project.root / "models/bundle"))
    with running(project, home) as service:
        yield service


def fits(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


@pytest.fixture(scope="module")
def fresh(new_project: Callable[[], Project]) -> Project:
    """A project that has run for the rides alone: DVC draws what the plots of another data set left behind too."""
    fresh = new_project()
    fresh.run("accord", "run", "data=rides", "objective=quality", "model.n_estimators=20")
    return fresh


def test_dvcs_plots_are_drawn(fresh: Project, page: Page) -> None:
    fresh.run("dvc", "plots", "show")
    page.goto((fresh.root / "dvc_plots/index.html").as_uri())
    titles = page.locator("h2").all_inner_texts()
    assert {title.split(": ")[0] for title in titles} == {
        "ROC on test", "Precision and recall on test", "Predicted against observed on test", "Residuals on test",
        "Mean absolute contribution to the raw score",
    }  # fmt: skip
    assert page.locator("svg").count() == len(titles)
    assert page.locator("polyline").count() == 4
    assert page.locator("circle").count() > 100
    drawn = " ".join(page.locator("svg text").all_text_contents())
    for name in ("distance", "station", "false_positive_rate (true_positive_rate upwards)"):
        assert name in drawn
    assert fits(page)


@pytest.mark.slow
def test_two_states_are_drawn_beside_each_other(project: Project, page: Page) -> None:
    project.run("accord", "run", "model.num_leaves=4")
    project.run("dvc", "plots", "diff", "HEAD")
    page.goto((project.root / "dvc_plots/index.html").as_uri())
    assert page.locator("polyline").count() == 8
    assert "HEAD" in page.locator("p").first.inner_text()
    project.run("git", "reset", "--quiet", "--hard", "ran")
    project.run("dvc", "checkout", "--quiet", "--force")


def test_the_services_page_shows_what_there_is_under_a_heading(service: Running, page: Page) -> None:
    page.goto(f"http://127.0.0.1:{service.port}/")
    page.get_by_text("/predict", exact=True).first.wait_for()
    assert page.locator("h2.title").is_visible()
    assert page.locator("h2.title").inner_text()
    assert page.locator("meta[name=viewport]").count() == 1
    text = page.content()
    assert "googletagmanager" not in text
    assert "noscript" not in text or "iframe" not in text
    assert fits(page)
