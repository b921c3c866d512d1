"""The doors to terminals, pages and Markdown: whatever text comes, it is shown and does nothing."""

import io
import json
import logging
import sys
import unicodedata
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hostile import ALL, EVERYTHING, MARKUP, STEERING
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from accord import cli, terminal
from accord.errors import AccordError
from accord.page import markdown, markup
from accord.page.shell import environment
from accord.program import exit_with_message

BIDI = {chr(code) for code in [*range(0x202A, 0x202F), *range(0x2066, 0x206A)]}
PIECES = st.sampled_from([*ALL, *STEERING, "<", ">", "&", '"', "'", "`", "\\", "\n", "\ud800", "```", "- ", "# ", "1. ", "    ", "| a |", "---"])  # fmt: skip
TEXTS = st.lists(PIECES | st.text(st.characters(exclude_categories=()))).map("".join)
SHOWN = '<p title="{{ text }}">{{ text }}</p><script type="application/json">{{ [text]|tojson }}</script>'


def steers(character: str) -> bool:
    """Whether a terminal may do something else than show the character."""
    return character in BIDI or unicodedata.category(character) in ("Cc", "Zl", "Zp", "Cs")


def said(text: str, encoding: str = "utf-8") -> str:
    stream = io.TextIOWrapper(io.BytesIO(), encoding, newline="")
    terminal.say(text, file=stream)
    stream.seek(0)
    return stream.read()


@settings(deadline=None)
@given(TEXTS, st.sampled_from(["utf-8", "ascii", "latin-1"]))
@example(EVERYTHING, "ascii")
def test_any_text_is_one_line_without_control_characters(text: str, encoding: str) -> None:
    line, end = said(text, encoding)[:-1], said(text, encoding)[-1]
    assert end == "\n"
    assert not [character for character in line if steers(character) and character != "\t"]


@settings(deadline=None)
@given(TEXTS, TEXTS)
def test_each_text_of_several_is_a_line(first: str, second: str) -> None:
    several = terminal.lines([first, terminal.lines([second, second])])
    assert said(several).count("\n") == 3


def test_ordinary_text_is_printed_as_it_is() -> None:
    text = "Zürich → 東京\t☂ 100 % a\\b"
    assert said(text) == f"{text}\n"


@pytest.mark.parametrize("end", ["refused", "argument", "bug"])
def test_a_command_that_fails_quotes_text_without_obeying_it(
    end: str, capfd: pytest.CaptureFixture[str]
) -> None:
    def work() -> None:
        raise (AccordError if end == "refused" else ValueError)(EVERYTHING)

    if end == "argument":
        with pytest.raises(SystemExit):
            cli.main(["history", EVERYTHING])
    elif end == "refused":
        with pytest.raises(SystemExit):
            exit_with_message(work)
    else:
        with pytest.raises(ValueError, match="window") as bug:
            exit_with_message(work)
        sys.excepthook(bug.type, bug.value, bug.tb)
    printed = capfd.readouterr().err
    assert r"\x1b[2J" in printed
    assert not [character for character in printed if steers(character) and character not in "\n\t"]
    if end == "refused":
        assert printed.count("\n") == 1


def test_what_libraries_log_is_shown_and_not_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    factory, hook = logging.getLogRecordFactory(), sys.excepthook
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(logging.Formatter("\x1b[36m%(message)s\x1b[0m"))
    log = logging.Logger("bentoml")
    log.addHandler(handler)
    try:
        terminal.take_over_logs()
        try:
            raise ValueError(EVERYTHING)
        except ValueError:
            log.exception("%s of %d", EVERYTHING, 3)
    finally:
        logging.setLogRecordFactory(factory)
        sys.excepthook = hook
    text = written.getvalue()
    assert text.startswith("\x1b[36m")  # a handler's own colours stay
    rest = text.replace("\x1b[36m", "").replace("\x1b[0m", "")
    assert rest.count(r"\x1b[2J") == 2
    assert not [character for character in rest if steers(character) and character not in "\n\t"]


class Elements(HTMLParser):
    """The elements of a page, with what is in them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self.text.append("")

    def handle_data(self, data: str) -> None:
        self.text[-1] += data


@settings(deadline=None)
@given(TEXTS)
@example(EVERYTHING)
def test_any_text_stays_text_in_an_element_an_attribute_and_a_script(text: str) -> None:
    page = Elements(environment(Path(__file__).parent).from_string(SHOWN).render(text=text))
    plain = terminal.foreign(text)
    assert page.found == [("p", {"title": plain}), ("script", {"type": "application/json"})]
    assert page.text[0] == plain
    assert json.loads(page.text[1]) == [text]


def test_a_page_runs_no_script_but_its_own() -> None:
    assert "script-src 'none'" in markup.security_policy().unescape()
    policy = markup.security_policy("one()").unescape()
    assert "script-src 'sha256-" in policy
    assert "unsafe-inline" not in policy.split("style-src")[0]


@settings(deadline=None)
@given(
    TEXTS.filter(str.strip),
    st.sampled_from(
        ["{}", "{}.", "- {}", "### {}", "Because of {}, it is.", "| a | b |\n|---|---|\n| {} | c |"]
    ),
)
@example(EVERYTHING, "{}")
def test_any_text_stays_text_in_markdown(text: str, place: str) -> None:
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    tokens = parser.parse(place.format(markdown.escaped(text)))
    usual = parser.parse(place.format("text"))
    assert [token.type for token in tokens] == [token.type for token in usual]
    spans = [span for token in tokens for span in token.children or ()]
    assert {span.type for span in spans} <= {"text", "text_special"}
    assert terminal.visible(text).strip() in "".join(span.content for span in spans)


@settings(deadline=None)
@given(TEXTS.filter(str.strip))
def test_any_text_stays_text_in_a_span_of_code(text: str) -> None:
    [_, inline, _] = MarkdownIt("commonmark").parse(f"It is {markdown.code(text)}.")
    assert [span.type for span in inline.children or ()] == ["text", "code_inline", "text"]
    assert (inline.children or [])[1].content.strip(" ") == terminal.visible(text).strip(" ")


@pytest.mark.parametrize("text", ["a: b, c. d (e) - f!", "1.5 USD", "-0.5", "2013-07-01"])
def test_ordinary_text_needs_no_escapes_in_markdown(text: str) -> None:
    assert markdown.escaped(text) == text


def test_payloads_are_of_both_kinds() -> None:
    assert all(any(steers(c) for c in text) for text in STEERING)
    assert any("<" in text for text in MARKUP)
