"""Ask a vulnerability service about every component of the bills of materials.

    .venv/bin/python scripts/audit.py build/sbom/*.json

The service is OSV (https://osv.dev), which knows PyPI and Maven alike. Exit codes: 0 nothing found,
1 findings, 3 the service could not be reached, in which case nothing was audited. What a person has
looked into is named in ``scripts/audit-accepted.toml``, with a reason and a last day.
"""

import argparse
import json
import sys
import tomllib
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

SERVICE = "https://api.osv.dev"
ACCEPTED = Path(__file__).with_name("audit-accepted.toml")
FOUND, UNREACHABLE = 1, 3
_SECONDS = 20.0
# What the service takes in one request.
_AT_ONCE = 1000


class Unreachable(Exception):
    """The service does not answer, or not as it should."""


def components(path: Path) -> list[str]:
    """The package URLs (name and version) that a bill of materials lists.

    Raises:
        ValueError: it is no CycloneDX, or a component has no package URL with a version.
    """
    bill = json.loads(path.read_text())
    if bill.get("bomFormat") != "CycloneDX" or not bill.get("components"):
        raise ValueError(f"{path} is no CycloneDX bill with components")
    # Without what follows a "?", such as the type, which is no part of the package's identity.
    urls = [str(c.get("purl", "")).partition("?")[0] for c in bill["components"]]
    if nameless := [u for u in urls if "@" not in u]:
        raise ValueError(f"{path} has components without a version, such as {nameless[0]!r}")
    return urls


def findings(service: str, urls: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Package URL and id of each known vulnerability.

    Raises:
        Unreachable: the service does not answer each question.
    """
    waiting = [{"package": {"purl": url}} for url in urls]
    while waiting:
        asked, waiting = waiting[:_AT_ONCE], waiting[_AT_ONCE:]
        results = _ask(service, "/v1/querybatch", {"queries": asked}).get("results")
        if not isinstance(results, list) or len(results) != len(asked):
            raise Unreachable(f"{service} does not answer each of {len(asked)} questions")
        for query, result in zip(asked, results, strict=True):
            url = query["package"]["purl"]
            yield from ((url, str(v["id"])) for v in result.get("vulns", []))
            if token := result.get("next_page_token"):
                waiting.append(query | {"page_token": token})


def describe(service: str, identifier: str) -> tuple[set[str], str]:
    """All names of a vulnerability, and what it is in a line."""
    said = _ask(service, f"/v1/vulns/{urllib.parse.quote(identifier)}")
    return {identifier, *said.get("aliases", [])}, str(said.get("summary", "no summary"))


def accepted(path: Path, today: date) -> dict[str, str]:
    """Reason by id of what is accepted today.

    Raises:
        ValueError: an entry lacks its id, its reason or its last day.
    """
    entries = tomllib.loads(path.read_text()).get("accepted", [])
    for entry in entries:
        if set(entry) != {"id", "reason", "until"} or not isinstance(entry["until"], date):
            raise ValueError(f"{path}: {entry} is not an id, a reason and a date called until")
    return {e["id"]: e["reason"] for e in entries if today <= e["until"]}


def _ask(service: str, path: str, body: object = None) -> dict[str, Any]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        service + path, data=data, headers={"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:
            said = json.load(answer)
    except (OSError, ValueError) as error:
        raise Unreachable(f"{service} does not answer: {error}") from error
    if not isinstance(said, dict):
        raise Unreachable(f"{service} answers {str(said)[:80]!r}, expected an object")
    return said


def audit(service: str, bills: list[Path], accepted_file: Path, today: date) -> int:
    """Print what is found; the exit code."""
    allowed = accepted(accepted_file, today)
    urls = sorted({url for bill in bills for url in components(bill)})
    print(f"asking {service} about {len(urls)} components of {len(bills)} bills of materials")
    open_, passed = 0, 0
    for url, identifier in findings(service, urls):
        names, summary = describe(service, identifier)
        if reason := next((allowed[n] for n in sorted(names) if n in allowed), None):
            passed += 1
            print(f"accepted  {url}  {identifier}: {reason}")
            continue
        open_ += 1
        print(f"FOUND     {url}  {identifier} {', '.join(sorted(names - {identifier}))}: {summary}")
    print(f"{open_} known vulnerabilities, {passed} accepted, in {len(urls)} components")
    return FOUND if open_ else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("bills", nargs="+", type=Path, metavar="BILL.json")
    parser.add_argument("--service", default=SERVICE)
    parser.add_argument("--accepted", type=Path, default=ACCEPTED)
    parser.add_argument(
        "--if-reachable", action="store_true", help="do not fail where the service is not reached"
    )
    options = parser.parse_args()
    try:
        return audit(options.service, options.bills, options.accepted, date.today())
    except Unreachable as error:
        print(f"audit: {error}", file=sys.stderr)
        print("audit: NOTHING WAS AUDITED; run it where the service is reached", file=sys.stderr)
        return 0 if options.if_reachable else UNREACHABLE


if __name__ == "__main__":
    sys.exit(main())
