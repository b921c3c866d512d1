"""What the OpenAPI document promises holds for whatever schemathesis derives from it, good and bad."""

import os
import subprocess
from pathlib import Path

import pytest
from projects import Project, program
from services import TOKEN, Home, make_bundle, running

pytestmark = pytest.mark.slow
N_EXAMPLES = int(os.environ.get("ACCORD_TEST_OPENAPI", "200"))
"""Requests an operation, in addition to those that go through the schema's corners."""


def test_the_service_keeps_what_its_openapi_document_promises(
    packaged: Project, home: Home, tmp_path: Path
) -> None:
    ruleless = make_bundle(
        packaged, tmp_path, has_rules=False
    )  # rules of several columns have no JSON Schema
    home.name_champion(home.release(ruleless))
    with running(packaged, home) as service:
        words = [
            program("schemathesis"), "run", f"http://127.0.0.1:{service.port}/docs.json", "--checks", "all",
            "--header", f"Authorization: Bearer {TOKEN}", "--max-examples", str(N_EXAMPLES), "--no-color",
        ]  # fmt: skip
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-20_000:] + done.stderr
        assert service.client.get("/readyz").json()["problems"] == []
    print(done.stdout[-600:])
