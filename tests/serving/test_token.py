"""The service's token: made for one user of one machine, found by the commands, and seen by nobody else."""

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest
from projects import Project

from accord.client import Client, ServiceError
from accord.errors import AccordError
from accord.serving import token

Serve = Callable[..., AbstractContextManager[httpx.Client]]
LOCAL = "http://127.0.0.1:3000"
FILE = Path(".accord/token")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project's folder, which is the current one, and no ACCORD_TOKEN."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ACCORD_TOKEN", raising=False)
    return tmp_path


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_it_is_made_once_for_its_owner_alone(folder: Path):
    (folder / ".accord").mkdir(mode=0o755)
    before = os.umask(0)
    try:
        made = token.own(FILE)
    finally:
        os.umask(before)
    assert len(made) >= 43
    assert token.own(FILE) == token.token_for(LOCAL, FILE) == made
    assert (mode(folder / ".accord"), mode(folder / ".accord/token")) == (0o700, 0o600)
    assert os.listdir(folder / ".accord") == ["token"]


def test_services_that_start_at_once_have_the_same(folder: Path):
    script = "from pathlib import Path; from accord.serving import token; input(); print(token.own(Path('.accord/token')))"
    started = [
        subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(6)
    ]  # fmt: skip
    for process in started:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    assert len({process.communicate()[0] for process in started}) == 1


@pytest.mark.parametrize("content", ["", "\n", "  \n"])
def test_an_empty_file_is_no_token(folder: Path, content: str):
    (folder / ".accord").mkdir()
    (folder / ".accord/token").write_text(content)
    assert token.token_for(LOCAL, FILE) is None
    assert token.own(FILE) == (folder / ".accord/token").read_text().strip() != ""
    assert mode(folder / ".accord/token") == 0o600


def test_one_that_others_could_read_is_closed_and_that_is_said(
    folder: Path, capsys: pytest.CaptureFixture[str]
):
    made = token.own(FILE)
    (folder / ".accord/token").chmod(0o644)
    assert token.token_for(LOCAL, FILE) == made
    said = capsys.readouterr().err
    assert "other users could read .accord/token" in said
    assert made not in said
    assert said.count("\n") == 1
    assert mode(folder / ".accord/token") == 0o600


@pytest.mark.parametrize("what", ["link", "folder", "pipe", "of another"])
def test_what_is_no_file_of_this_user_is_refused(folder: Path, what: str):
    (folder / ".accord").mkdir()
    path = folder / ".accord/token"
    if what == "link":
        (folder / "elsewhere").write_text("a token that somebody knows")
        path.symlink_to(folder / "elsewhere")
    elif what == "folder":
        path.mkdir()
    elif what == "pipe":
        os.mkfifo(path, 0o600)
    elif os.geteuid() == 0:
        path.write_text("a token that somebody knows")
        os.chown(path, 65534, 65534)
    else:
        pytest.skip("only root can give a file away")
    for use in (lambda: token.own(FILE), lambda: token.token_for(LOCAL, FILE)):
        with pytest.raises(AccordError, match="Remove it") as refused:
            use()
        assert "\n" not in str(refused.value)


def test_where_it_cannot_be_kept_one_line_says_so(folder: Path):
    (folder / ".accord").write_text("in the way")
    with pytest.raises(AccordError, match="set ACCORD_TOKEN"):
        token.own(FILE)


def test_it_goes_to_this_machine_alone_and_the_environments_wins(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    made = token.own(FILE)
    for url in ("http://localhost:3000", "http://[::1]:3000", "http://127.0.0.2", "https://LOCALHOST/"):
        assert token.token_for(url, FILE) == made
    for url in (
        "http://example.org",
        "http://10.0.0.1",
        "http://127.0.0.1@example.org",
        "http://localhost.example.org",
        "",
    ):
        assert token.token_for(url, FILE) is None
    monkeypatch.setenv("ACCORD_TOKEN", "given")
    assert token.token_for(LOCAL, FILE) == token.token_for("http://example.org", FILE) == "given"


@pytest.mark.slow
def test_accord_serve_makes_it_and_the_clients_find_it(
    packaged: Project, serve: Serve, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(packaged.root)
    path = packaged.root / ".accord/token"
    with serve(packaged) as service:
        made = path.read_text().strip()
        with Client(str(service.base_url)) as client:
            assert client.outcomes([{"ride": 1, "delay": 2.5}]) == 1
        body = {"outcomes": [{"ride": 1, "delay": 1}]}
        for more in (
            {}, {"params": {"token": made}}, {"cookies": {"token": made, "authorization": f"Bearer {made}"}},
            {"headers": {"authorization": made}}, {"headers": {"x-accord-token": made}}, {"auth": ("accord", made)},
        ):  # fmt: skip
            for where, sent in (("/outcomes", body), ("/policy", {"weights": {"w": 1}})):
                assert service.post(where, json=sent, **more).status_code == 401
        shown = [
            service.get(where).text
            for where in ("/", "/docs.json", "/model", "/policy", "/contract", "/metrics", "/readyz")
        ]
        assert not [text for text in shown if made in text]
        everything = [p for p in packaged.root.rglob("*") if p.is_file() and not p.is_symlink()]
        assert [p for p in everything if made.encode() in p.read_bytes()] == [path]
        commands = [p.read_bytes() for p in Path("/proc").glob("[0-9]*/cmdline") if os.access(p, os.R_OK)]
        assert not [words for words in commands if made.encode() in words]
        assert ".accord" not in packaged.run("git", "status", "--short", "--untracked-files=all").stdout
    with serve(packaged) as service, Client(str(service.base_url)) as client:
        assert path.read_text().strip() == made
        assert client.outcomes([{"ride": 1, "delay": 2.5}]) == 1
    path.unlink()
    with serve(packaged, ACCORD_TOKEN="given") as service:
        assert not path.exists()
        with Client(str(service.base_url)) as client, pytest.raises(ServiceError, match="token"):
            client.outcomes([{"ride": 1, "delay": 2.5}])
        with Client(str(service.base_url), "given") as client:
            assert client.outcomes([{"ride": 1, "delay": 2.5}]) == 1


@pytest.mark.slow
def test_where_others_reach_the_service_it_says_what_is_closed(packaged: Project, serve: Serve):
    with serve(packaged, "--host", "0.0.0.0") as service:
        assert packaged.read("serve.log.tmp").count("closed: set ACCORD_TOKEN") == 1
        assert service.post("/policy", json={"weights": {"w": 1}}).status_code == 403
    assert not (packaged.root / ".accord/token").exists()
    with serve(packaged, "--host", "0.0.0.0", ACCORD_TOKEN="given") as service:
        assert "ACCORD_TOKEN" not in packaged.read("serve.log.tmp")
        authorised = {"authorization": "Bearer given"}
        assert (
            service.post(
                "/outcomes", json={"outcomes": [{"ride": 1, "delay": 1}]}, headers=authorised
            ).status_code
            == 200
        )
