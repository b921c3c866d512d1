"""What accord uses of BentoML beside its documentation is still there."""

import inspect
from importlib.metadata import version
from pathlib import Path

import bentoml
import pytest

from accord.errors import AccordError
from accord.serving import bentoml_internals


def test_bentoml_is_the_version_that_was_compared():
    assert version("bentoml") == bentoml_internals.COMPARED_WITH, (
        "compare what accord.serving.bentoml_internals uses with this version's code, then name the version there"
    )


def test_bentomls_service_makes_its_application_where_the_fast_path_takes_it():
    assert "is_main" in inspect.signature(bentoml.Service.to_asgi).parameters
    assert "service_class" in inspect.signature(bentoml.service).parameters
    [made] = bentoml_internals.outermost(lambda app: app).values()
    assert issubclass(made, bentoml.Service)


def test_the_files_of_bentomls_page_are_found():
    paths = bentoml_internals.page_files()
    assert {Path(path).suffix for path in paths} >= {".css", ".js"}


def test_files_that_are_elsewhere_are_an_error_that_names_the_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(bentoml, "__file__", str(tmp_path / "__init__.py"))
    with pytest.raises(AccordError, match=f"BentoML {version('bentoml')} has no files in {tmp_path}"):
        bentoml_internals.page_files()


def test_a_service_without_that_method_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bentoml, "Service", type("Service", (), {}))
    assert bentoml_internals.outermost(lambda app: app) == {}
