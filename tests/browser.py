"""A real browser, for what only a browser can tell. Debian's and Ubuntu's package `chromium` has it."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hostile import CANARY
from playwright.sync_api import Browser, Locator, Page, Request, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--no-first-run",
]  # fmt: skip
LOCAL = ("file:", "data:", "blob:", "about:", "http://127.0.0.1:")
TOUCHED = """() => {
    let n = 0;
    for (const one of document.querySelectorAll("summary, button:not([role=tab], .json-schema-2020-12-accordion), [role=button], [data-point], input")) {
        if (one.touched || one.ariaExpanded === "true" || one.textContent.startsWith("Collapse")) continue;  // a click would close what is open
        one.touched = true;
        n += 1;
        for (const kind of ["mouseover", "mousemove", "click"]) one.dispatchEvent(new MouseEvent(kind, { bubbles: true }));
    }
    return n;
}"""
INJECTED = """(canary) => {
    const found = [...document.querySelectorAll("[data-injected]")].map((one) => one.outerHTML);
    for (const one of document.querySelectorAll("*")) for (const { name, value } of one.attributes)
        if (["href", "src", "xlink:href", "action"].includes(name) && (value.startsWith("javascript:") || value.startsWith(canary)))
            found.push(one.outerHTML);
    return found;
}"""
DRAWN_MS = 700
"""What a click brings up is there by then."""
DEPTH, N_CHARTS, N_POINTS = 10, 6, 8


@contextmanager
def opened() -> Iterator[Browser]:
    """The browser. Without one the test is skipped, but not in CI."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None and not os.environ.get("CI"):
        pytest.skip(f"no browser here; install one of {', '.join(NAMES)}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found or NAMES[0], args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


def faults(browser: Browser, address: str, begins: str, shows: str = "") -> list[str]:
    """What a text did in the page that it should not: scripts that ran, elements that came in, addresses that were asked.
    Once the page has the text `begins`, it is pointed at and clicked all over; then it must have the text `shows`."""
    page = browser.new_page()
    try:
        found: list[str] = []
        page.on("request", lambda request: found.extend(_asked(request)))
        page.on("dialog", lambda dialog: dialog.dismiss())  # what is asked before something is deleted
        page.on("pageerror", lambda error: found.append(f"error {error}"))
        page.goto(address)
        page.get_by_text(begins).first.wait_for(state="attached")
        _touch(page)
        found += page.evaluate(INJECTED, CANARY)
        page.wait_for_function("(text) => document.body.textContent.includes(text)", arg=shows)
        if (ran := page.evaluate("window.ran")) is not None:
            found.append(f"script {ran} ran")
        return found
    finally:
        page.close()


def _asked(request: Request) -> list[str]:
    return [] if request.url.startswith(LOCAL) else [f"asked {request.url}"]


def _touch(page: Page) -> None:
    """Clicks whatever can be clicked, and what comes up then; then points at places of the charts. So in every tab."""
    for tab in range(max(page.locator("[role=tab]").count(), 1)):
        page.evaluate("(tab) => document.querySelectorAll('[role=tab]')[tab]?.click()", tab)
        for _ in range(DEPTH):
            if not page.evaluate(TOUCHED):
                break
            page.wait_for_timeout(DRAWN_MS)
            page.keyboard.press("Escape")  # menus that came up lie above the rest
        for chart in page.locator(".nsewdrag").all()[:N_CHARTS]:
            _point_at(page, chart)


def _point_at(page: Page, chart: Locator) -> None:
    chart.scroll_into_view_if_needed()
    if box := chart.bounding_box():
        for i in range(1, N_POINTS):
            x, y = box["x"] + box["width"] * i / N_POINTS, box["y"] + box["height"] * (0.5 + i % 2 * 0.4)
            page.mouse.move(x, y)
