"""Pages: what a contract says is there, as text, whatever it is."""

import html
import re
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings

from lakehead.contracts.load import contract_from_text, load_contracts
from lakehead.contracts.model import Contract
from lakehead.contracts.pages import Reader, pages, write_pages
from lakehead.contracts.pages.markdown import code, text
from lakehead.settings import INSTALL_ROOT
from tests.draws import draws
from tests.unit.contracts import strategies

CONTRACTS = load_contracts(INSTALL_ROOT / "schemas")
TAGS = re.compile(r"<(/?[a-zA-Z][^\s>]*)")
_PAGE = {"html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "a", "strong", "span"}
_LISTS = {"table", "thead", "tbody", "tr", "th", "td", "dl", "dt", "dd", "ul", "li", "br"}
KNOWN = {*_PAGE, *_LISTS, "code", "pre"}


def test_every_stream_has_its_pages_and_the_index_has_every_stream(tmp_path: Path) -> None:
    readers = {"orders": [Reader("revenue", "marts.revenue", "Sums")]}
    written = write_pages(CONTRACTS, readers, tmp_path / "new" / "folder")
    assert {p.name for p in written} == {
        f"{name}.{end}"
        for name in [*(c.stream for c in CONTRACTS), "index"]
        for end in ("html", "md")
    }
    found = (written[0].parent / "orders.html").read_text()
    for part in (
        "landing.orders",
        "landing.orders_dead",
        "marts.revenue",
        "event_time",
        "Product code.",
    ):
        assert part in found
    index = (written[0].parent / "index.md").read_text()
    assert all(f"]({c.stream}.md)" in index for c in CONTRACTS)


def test_only_the_streams_that_are_asked_for_are_written(tmp_path: Path) -> None:
    written = write_pages(CONTRACTS, {}, tmp_path, ["orders"])
    assert {p.stem for p in written} == {"orders", "index"}


def test_pages_are_the_same_each_time() -> None:
    assert list(pages(CONTRACTS, {})) == list(pages(CONTRACTS, {}))


def test_pages_need_nothing_from_elsewhere() -> None:
    for name, page in pages(CONTRACTS, {}):
        if name.endswith(".html"):
            assert not re.search(r"(src|href)=[\"'](?![a-z_0-9]+\.html)", page)
            assert "<script" not in page


@settings(max_examples=draws(60), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(strategies.contracts())
def test_text_of_a_contract_is_never_markup(document: dict[str, Any]) -> None:
    contract = contract_from_text(strategies.to_yaml(document), Path("events.yaml"))
    found = dict(pages([contract], {}))
    tags = {t.lower().lstrip("/") for t in TAGS.findall(found["events.html"])}
    assert tags <= KNOWN, tags - KNOWN
    shown = html.unescape(found["events.html"])
    assert contract.description in shown
    _tables_are_whole(found["events.md"], contract)


def _tables_are_whole(page: str, contract: Contract) -> None:
    """Every row of the table of fields has its five cells."""
    body = page.split("## Fields\n\n")[1].split("\n\n")[0].splitlines()
    assert len(body) >= 2 + len(contract.fields)
    for line in body:
        assert len(re.findall(r"(?<!\\)\|", line)) == 6, line


def test_markdown_shows_text_as_it_is() -> None:
    assert text("a|b") == r"a\|b"
    assert text("- a\nb") == r"\- a b"
    assert text("1. a") == r"1\. a"
    assert text("<b>*x*</b>") == r"\<b\>\*x\*\</b\>"
    assert code("a`b|c") == r"`` a`b\|c ``"
