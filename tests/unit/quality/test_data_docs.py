"""Data Docs: whole without a net, and safe whatever the rows say."""

import re
from html import unescape
from pathlib import Path

import pytest
from shop import HOSTILE, sale, sales_table, write

from lakehead.quality import results
from lakehead.quality.check import check
from lakehead.quality.docs import build_docs
from lakehead.quality.suites import find_suite
from lakehead.settings import Settings

ATTRIBUTES = re.compile(r"""(?:href|src)\s*=\s*["']([^"']*)["']""")


def test_pages_ask_no_other_host_and_lead_to_each_other(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "KEPT", 2)
    assert "Nothing was checked yet" in build_docs(settings).read_text()
    script = "<script>alert(1)</script>"
    write(sales_table(settings), [sale(0), sale(1, qualify=script), sale(2, note=HOSTILE)])
    for _ in range(3):
        check(settings, find_suite(settings, "sales"))
    index = build_docs(settings)
    assert index == settings.home / "quality" / "docs" / "index.html"
    pages = sorted(index.parent.rglob("*.html"))
    assert [p.name for p in pages] == ["sales.html", "index.html", "check.html", "check.html"]
    for page in pages:
        text = page.read_text()
        assert not re.search(r"<(script|link|img|iframe|object|b)\b|@import|url\(", text), page
        assert "//" not in "".join(ATTRIBUTES.findall(text))
        for target in ATTRIBUTES.findall(text):
            if not target.startswith("#"):
                assert (page.parent / target).resolve() in pages, (page, target)
    for page in (pages[0], pages[-1]):
        assert "amount &lt; 50 OR note &lt;&gt; &#x27;a:b {x}&#x27;" in page.read_text()
    found = unescape(pages[-1].read_text())
    assert script in found
    assert "large_ones" not in found
    assert "amount < 50 OR note <> 'a:b {x}' OR note IS NULL" in found
    suite = unescape(Path(pages[0]).read_text())
    assert "values must belong to this set" in suite
