"""A Bento in its image: what is installed, who runs it and what its environment says are the image's alone."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import images
import polars as pl
import pytest
from images import Container, Dockerfile, Image
from projects import Project
from tracing import off_the_machine, traced

from accord.bundle.bundle import as_json_row
from accord.paths import Paths

TOKEN = "a token of the tests"


@pytest.fixture(scope="module")
def image(packaged: Project, tmp_path_factory: pytest.TempPathFactory) -> Image:
    images.skip_unless_possible()
    return Image(bento_of(packaged), tmp_path_factory.mktemp("image") / "root")


@pytest.fixture(scope="module")
def container(image: Image, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    with images.started(image, tmp_path_factory.mktemp("log") / "log", ACCORD_TOKEN=TOKEN) as container:
        yield container


def bento_of(project: Project) -> Path:
    [bento] = (project.root / ".bentoml/bentos/accord").glob("[0-9a-f]*/")
    return bento


def log_of(place: Path) -> list[dict]:
    segments = (Paths(place).traffic / "segments").glob("*.jsonl")
    return [json.loads(line) for segment in segments for line in segment.read_text().splitlines()]


def rows_of_test(project: Project) -> list[dict]:
    names = list(json.loads(project.read("models/bundle/contract.json"))["columns"])
    frame = pl.read_parquet(project.root / "data/splits/test/*.parquet").select(names)
    return [as_json_row(frame, i) for i in range(frame.height)]


def test_the_images_environment_finds_the_code_and_sends_nothing(packaged: Project, tmp_path: Path):
    """Without the image: its variables as they stand in the Dockerfile, with the folders where they are here."""
    bento = bento_of(packaged)
    dockerfile = Dockerfile.read(bento / "env/docker/Dockerfile")
    inside = {name: v.replace(dockerfile.workdir, str(bento)) for name, v in dockerfile.variables.items()}
    script = "import accord, os; from bentoml._internal.utils.analytics.usage_stats import do_not_track as off; print(accord.__file__, off(), os.environ['DO_NOT_TRACK'])"
    found = subprocess.run(
        [sys.executable, "-c", script],
        env=inside | {"BENTOML_HOME": str(tmp_path)}, cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert found.stdout.split() == [f"{bento}/src/src/accord/__init__.py", "True", "1"], found.stderr


@pytest.mark.slow
def test_a_container_answers_with_the_bits_of_the_pipeline(packaged: Project, container: Container):
    answer = container.client.post("/predict", json={"rows": rows_of_test(packaged)})
    expected = pl.read_parquet(packaged.root / "data/predictions/test.parquet").to_dicts()
    assert [row["predictions"] for row in answer.json()["rows"]] == expected


@pytest.mark.slow
def test_a_containers_log_has_what_it_answered(packaged: Project, image: Image, container: Container):
    rows = rows_of_test(packaged)[:3]
    answer = container.client.post("/predict", json={"rows": rows}).json()
    [record] = [one for one in log_of(image.inside / "src") if len(one["rows"]) == 3]
    ids = [row["prediction_id"] for row in answer["rows"]]
    assert [row["prediction_id"] for row in record["rows"]] == ids


@pytest.mark.slow
def test_a_containers_own_pages_answer(container: Container):
    assert container.client.get("/readyz").status_code == 200
    assert "accord_problems 0" in container.client.get("/metrics").text
    assert "/predict" in container.client.get("/docs.json").json()["paths"]
    assert container.client.get("/").status_code == 200


@pytest.mark.slow
def test_a_containers_policy_wants_the_token(container: Container):
    for token, status in ((None, 401), ("another", 401), (TOKEN, 422)):  # the model has no policy to change
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        answer = container.client.post("/policy", json={"weights": {"w": 1}}, headers=headers)
        assert answer.status_code == status, answer.text


@pytest.mark.slow
def test_a_container_without_a_token_has_no_way_to_change_its_policy(image: Image, tmp_path: Path):
    with images.started(image, tmp_path / "log") as container:
        answer = container.client.post("/policy", json={"weights": {"w": 1}})
        assert answer.status_code == 403, answer.text


@pytest.mark.slow
def test_a_container_logs_to_the_folder_that_is_mounted(packaged: Project, image: Image, tmp_path: Path):
    (image.root / "tmp/mounted").mkdir()
    image.owned(image.root / "tmp/mounted")
    with images.started(image, tmp_path / "log", ACCORD_HOME="/tmp/mounted") as container:
        container.client.post("/predict", json={"rows": rows_of_test(packaged)[:1]}).raise_for_status()
        assert len(log_of(image.root / "tmp/mounted")) == 1
        assert container.stop() == 0
    shutil.rmtree(image.root / "tmp/mounted")


@pytest.mark.slow
def test_a_container_that_may_not_write_its_log_says_so(packaged: Project, image: Image, tmp_path: Path):
    """Such as one of `docker run --user`, or with a mounted folder of somebody else's."""
    (image.root / "tmp/foreign").mkdir()
    with images.started(image, tmp_path / "log", ACCORD_HOME="/tmp/foreign") as container:
        answer = container.client.post("/predict", json={"rows": rows_of_test(packaged)[:1]})
        assert answer.status_code == 503
        problem = "the log in /tmp/foreign/data/traffic can't be written: Permission denied"
        assert problem in answer.json()["error"]
        container.until_it_says(f"accord: {problem}\n")


@pytest.mark.slow
def test_any_user_can_run_a_container_with_a_log_of_its_own(packaged: Project, image: Image, tmp_path: Path):
    variables = {"ACCORD_HOME": "/tmp/any", "BENTOML_HOME": "/tmp/any"}
    with images.started(image, tmp_path / "log", uid=4321, **variables) as container:
        container.client.post("/predict", json={"rows": rows_of_test(packaged)[:1]}).raise_for_status()


@pytest.mark.slow
def test_a_container_stops_when_it_is_asked_to(image: Image, tmp_path: Path):
    with images.started(image, tmp_path / "log") as container:
        assert container.stop() == 0
        assert "Traceback" not in container.log.read_text()


@pytest.mark.slow
def test_a_container_opens_no_connection_off_the_machine(image: Image, tmp_path: Path):
    """BentoML tells of each start and stop of a service otherwise."""
    trace = tmp_path / "trace"
    with images.started(image, tmp_path / "log", traced(trace)) as container:
        assert container.stop() == 0
    assert off_the_machine(trace) == []
