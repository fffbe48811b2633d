"""Data Docs: GX's own pages of each kept check and each suite, and an index; whole without a net.

GX's renderers say what is on a page, and its templates how each part is written; the frame around
them is ours, for GX's own asks other hosts for its styles and scripts. The layout of folders is
GX's, so that the links of its pages lead somewhere.
"""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakehead.quality.results import kept_results
from lakehead.settings import Settings

if TYPE_CHECKING:
    from jinja2 import Environment

_TO_INDEX_FROM_CHECK = "../" * 5
_TO_INDEX_FROM_SUITE = "../" * 2


def build_docs(settings: Settings) -> Path:
    """Write the pages under ``<home>/quality/docs``, in place of those before; gives the index.

    Raises:
        SystemFailure: a kept result cannot be read.
    """
    folder = settings.home / "quality" / "docs"
    part = folder.with_name("docs.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    tables: dict[str, list[dict[str, Any]]] = {}
    pages = _Pages()
    for path, kept in kept_results(settings):
        about = kept["about"]
        suite_path = Path("expectations", *about["table"].split(".")).with_suffix(".html")
        page = Path("validations", *about["table"].split("."))
        page = page / str(about["snapshot_id"]) / path.stem / "check.html"
        if about["table"] not in tables:
            _write(part / suite_path, pages.suite(about, kept["gx"]))
        _write(part / page, pages.check(about, kept["gx"]))
        listed = {**about, "page": page.as_posix(), "suite_page": suite_path.as_posix()}
        tables.setdefault(about["table"], []).append(listed)
    _write(part / "index.html", pages.index(tables))
    shutil.rmtree(folder, ignore_errors=True)
    part.replace(folder)
    return folder / "index.html"


class _Pages:
    def __init__(self) -> None:
        self._view: Any = None

    def check(self, about: dict[str, Any], document: dict[str, Any]) -> str:
        """What GX found in one check."""
        from lakehead.quality import gx

        run = {"run_name": f"snapshot {about['snapshot_id']}", "run_time": about["checked_at"]}
        meta = {**document["meta"], "run_id": run}
        content = gx.check_content({**document, "meta": meta})
        title = f"{about['table']}, snapshot {about['snapshot_id']}"
        return self._page(content, title, _TO_INDEX_FROM_CHECK)

    def suite(self, about: dict[str, Any], document: dict[str, Any]) -> str:
        """What is expected of a table."""
        from lakehead.quality import gx

        content = gx.suite_content(about["table"], document)
        return self._page(content, f"What is expected of {about['table']}", _TO_INDEX_FROM_SUITE)

    def index(self, tables: dict[str, list[dict[str, Any]]]) -> str:
        from jinja2 import Environment

        environment = Environment(loader=_loader(), autoescape=True)
        return environment.get_template("index.j2").render(tables=tables)

    def _page(self, content: Any, title: str, to_index: str) -> str:
        if self._view is None:
            self._view = _view()
        html: str = self._view.render(content, title=title, home=f"{to_index}index.html")
        return html


def _view() -> Any:
    """GX's view, with our frame before its own."""
    from jinja2 import ChoiceLoader

    from lakehead.quality import gx

    view = gx.DefaultJinjaPageView()
    environment: Environment = view.env
    assert environment.loader is not None
    environment.loader = ChoiceLoader([_loader(), environment.loader])
    return view


def _loader() -> Any:
    from jinja2 import PackageLoader

    return PackageLoader("lakehead.quality", "templates")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
