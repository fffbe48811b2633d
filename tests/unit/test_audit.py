"""The audit of dependencies, against a service of the test's own that speaks OSV's protocol."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from lakehead.settings import INSTALL_ROOT

SCRIPT = INSTALL_ROOT / "scripts" / "audit.py"
PURLS = ("pkg:pypi/good@1.0", "pkg:pypi/bad@2.0", "pkg:maven/g/jar@3.0?type=jar")
KNOWN = {"pkg:pypi/bad@2.0": ["GHSA-1"], "pkg:maven/g/jar@3.0": ["GHSA-2"]}


class Service(ThreadingHTTPServer):
    """``known``: ids by package URL. Of each package's, one is given at a time, with a token for
    the next, as the real service does where there are many."""

    def __init__(self, known: dict[str, list[str]], broken: bool = False) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.known, self.broken = known, broken
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Service

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        results = [self._result(query) for query in body["queries"]]
        self._answer({"results": results[1:] if self.server.broken else results})

    def do_GET(self) -> None:
        name = self.path.rpartition("/")[2]
        self._answer({"id": name, "aliases": [f"CVE-{name[5:]}"], "summary": "it is bad"})

    def _result(self, query: dict[str, Any]) -> dict[str, object]:
        url = query["package"]["purl"]
        self.server.asked.append(url)
        ids = self.server.known.get(url, [])
        at = int(query.get("page_token", 0))
        if at >= len(ids):
            return {}
        more = {"next_page_token": str(at + 1)} if at + 1 < len(ids) else {}
        return {"vulns": [{"id": ids[at]}]} | more

    def _answer(self, said: object) -> None:
        body = json.dumps(said).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def service() -> Iterator[Service]:
    with Service(dict(KNOWN)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def audit(tmp_path: Path, *args: str, accepted: str = "") -> "subprocess.CompletedProcess[str]":
    bill = tmp_path / "bill.json"
    if not bill.exists():
        parts = [{"type": "library", "name": "x", "purl": purl} for purl in PURLS]
        bill.write_text(json.dumps({"bomFormat": "CycloneDX", "components": parts}))
    (tmp_path / "accepted.toml").write_text(accepted)
    command = [sys.executable, str(SCRIPT), str(bill), *args]
    command += ["--accepted", str(tmp_path / "accepted.toml")]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_what_is_known_fails_the_audit_and_is_named(service: Service, tmp_path: Path) -> None:
    done = audit(tmp_path, "--service", service.url)
    assert done.returncode == 1, done.stderr
    assert "FOUND     pkg:pypi/bad@2.0  GHSA-1 CVE-1: it is bad" in done.stdout
    assert "FOUND     pkg:maven/g/jar@3.0  GHSA-2 CVE-2: it is bad" in done.stdout
    assert "2 known vulnerabilities, 0 accepted, in 3 components" in done.stdout
    assert sorted(service.asked) == sorted(p.partition("?")[0] for p in PURLS)


def test_nothing_known_passes(service: Service, tmp_path: Path) -> None:
    service.known = {}
    done = audit(tmp_path, "--service", service.url)
    assert done.returncode == 0
    assert "0 known vulnerabilities" in done.stdout


def test_all_pages_are_read(service: Service, tmp_path: Path) -> None:
    service.known = {"pkg:pypi/bad@2.0": ["GHSA-1", "GHSA-2", "GHSA-3"]}
    done = audit(tmp_path, "--service", service.url)
    assert "3 known vulnerabilities" in done.stdout


@pytest.mark.parametrize(("until", "code"), [("2999-01-01", 0), ("2020-01-01", 1)])
def test_what_is_accepted_passes_until_its_last_day(
    service: Service, tmp_path: Path, until: str, code: int
) -> None:
    service.known = {"pkg:pypi/bad@2.0": ["GHSA-1"]}
    entry = f'[[accepted]]\nid = "CVE-1"\nreason = "not on any path"\nuntil = {until}\n'
    done = audit(tmp_path, "--service", service.url, accepted=entry)
    assert done.returncode == code
    assert ("not on any path" in done.stdout) == (code == 0)


def test_an_acceptance_without_a_last_day_is_refused(service: Service, tmp_path: Path) -> None:
    entry = '[[accepted]]\nid = "CVE-1"\nreason = "never mind"\n'
    done = audit(tmp_path, "--service", service.url, accepted=entry)
    assert done.returncode == 1
    assert "a date called until" in done.stderr


def test_a_service_that_is_not_reached_is_no_pass(tmp_path: Path) -> None:
    with Service({}) as server:
        gone = server.url
    done = audit(tmp_path, "--service", gone)
    assert done.returncode == 3
    assert "NOTHING WAS AUDITED" in done.stderr
    assert "0 known" not in done.stdout
    lenient = audit(tmp_path, "--service", gone, "--if-reachable")
    assert lenient.returncode == 0
    assert "NOTHING WAS AUDITED" in lenient.stderr


def test_a_service_that_leaves_questions_open_is_no_pass(service: Service, tmp_path: Path) -> None:
    service.broken = True
    done = audit(tmp_path, "--service", service.url)
    assert done.returncode == 3
    assert "does not answer each of 3 questions" in done.stderr


@pytest.mark.parametrize(
    ("bill", "says"),
    [
        ({"components": [{"purl": "pkg:pypi/a@1"}]}, "no CycloneDX bill"),
        ({"bomFormat": "CycloneDX", "components": []}, "no CycloneDX bill"),
        ({"bomFormat": "CycloneDX", "components": [{"name": "a"}]}, "without a version"),
    ],
)
def test_a_bill_that_would_hide_something_is_refused(
    service: Service, tmp_path: Path, bill: object, says: str
) -> None:
    (tmp_path / "bill.json").write_text(json.dumps(bill))
    done = audit(tmp_path, "--service", service.url)
    assert done.returncode == 1
    assert says in done.stderr


def test_what_the_project_accepts_is_well_formed(service: Service, tmp_path: Path) -> None:
    service.known = {}
    text = SCRIPT.with_name("audit-accepted.toml").read_text()
    assert audit(tmp_path, "--service", service.url, accepted=text).returncode == 0
