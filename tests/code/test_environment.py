"""References to the environment, resolved where their values are needed."""

import pytest

from accord.environment import resolved
from accord.errors import AccordError

URL = "postgresql://me:${oc.env:ACCORD_TEST_PASSWORD}@${oc.env:ACCORD_TEST_HOST,localhost}/db"


def test_references_inside_a_text_are_replaced(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ACCORD_TEST_PASSWORD", "a,b}c")
    assert resolved(URL, "url") == "postgresql://me:a,b}c@localhost/db"
    monkeypatch.setenv("ACCORD_TEST_HOST", "there")
    assert resolved(URL, "url") == "postgresql://me:a,b}c@there/db"


def test_a_text_without_references_stays_as_it_is():
    assert resolved("postgresql://me@host/db?x=$1{}", "url") == "postgresql://me@host/db?x=$1{}"


def test_a_variable_that_is_missing_is_named_with_the_key_that_wants_it():
    with pytest.raises(AccordError, match=r"^serving\.url .* ACCORD_TEST_PASSWORD, which is not set"):
        resolved(URL, "serving.url")
