"""The settings of the service reach it whole, or it says what is missing."""

from pathlib import Path

import pytest
from shipped import shipped

from accord.errors import AccordError
from accord.schema.serving import Serving
from accord.serving import handover


@pytest.fixture
def bento(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a Bento without settings."""
    monkeypatch.delenv(handover.VARIABLE, raising=False)
    return tmp_path


def test_the_environment_goes_before_what_the_bento_holds(bento: Path, monkeypatch: pytest.MonkeyPatch):
    packaged, today = shipped(Serving, port=3001), shipped(Serving, port=3002)
    (bento / handover.FILE).write_text(packaged.model_dump_json(), encoding="utf-8")
    assert handover.load(bento) == packaged
    monkeypatch.setenv(handover.VARIABLE, today.model_dump_json())
    assert handover.load(bento) == today


def test_a_service_without_settings_says_so(bento: Path):
    with pytest.raises(AccordError, match=r"no settings: neither ACCORD_SERVING nor .*serving\.json"):
        handover.load(bento)
