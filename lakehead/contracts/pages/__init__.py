"""A page for each stream, as HTML and as Markdown."""

from lakehead.contracts.pages.render import Reader, pages, write_pages

__all__ = ["Reader", "pages", "write_pages"]
