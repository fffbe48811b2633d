"""tag, tags."""

from typing import TYPE_CHECKING, Annotated

import typer

from lakehead.cli.options import Home, Json
from lakehead.cli.render import out, print_json, short_time, table
from lakehead.errors import UserError
from lakehead.settings import load_settings

if TYPE_CHECKING:
    from lakehead.lake.tags import Tag

_PANEL = "Query"


def register(app: typer.Typer) -> None:
    app.command(
        rich_help_panel=_PANEL,
        epilog="lakehead tag before-migration   ·   "
        "lakehead query 'FROM landing.orders' --as-of before-migration   ·   "
        "lakehead tag before-migration --delete",
    )(tag)
    app.command(rich_help_panel=_PANEL, epilog="lakehead tags --json")(tags)


def tag(
    name: Annotated[str, typer.Argument(help="What the tag is called.")],
    tables: Annotated[
        list[str] | None,
        typer.Argument(help="Tables.", show_default="all of landing and marts"),
    ] = None,
    home: Home = None,
    delete: Annotated[bool, typer.Option("--delete", help="Delete the tag.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be tagged; change nothing.")
    ] = False,
    json_: Json = False,
) -> None:
    """Give the newest snapshots of the lake's tables one name, all of one moment."""
    from lakehead.lake.tags import delete_tag, make_tag

    settings = load_settings(home)
    if delete and tables:
        raise UserError(
            f"a tag is deleted whole, not of {', '.join(tables)}", f"lakehead tag {name} --delete"
        )
    if delete:
        done = delete_tag(settings, name, dry_run)
    else:
        done = make_tag(settings, name, tables or (), dry_run)
    if json_:
        print_json({"dry_run": dry_run, "deleted": delete, "tag": done})
        return
    verb = "is deleted from" if delete else "is of"
    if dry_run:
        verb = "would be deleted from" if delete else "would be of"
    lines = [f"Tag {name} {verb} {len(done.tables)} tables:"]
    lines += [f"  {t.table}: snapshot {t.snapshot_id}" for t in done.tables]
    lines += [f"  {each}: left out, it has no snapshot yet" for each in done.left_out]
    if not delete and not dry_run:
        lines.append(f"Read them:  lakehead query SQL --as-of {name}")
    out().print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)


def tags(home: Home = None, json_: Json = False) -> None:
    """List the tags: when they were made, of which tables, and whether all is still there."""
    from lakehead.lake.tags import list_tags

    found = list_tags(load_settings(home))
    if json_:
        print_json({"tags": [_plain(each) for each in found]})
        return
    if not found:
        out().print("There is no tag yet.  Make one:  lakehead tag NAME")
        return
    table(
        "",
        ["tag", "made (UTC)", "tables", "still there"],
        [
            [each.name, short_time(each.time), ", ".join(t.table for t in each.tables), each.whole]
            for each in found
        ],
    )
    for each in found:
        for t in each.tables:
            if not t.kept:
                out().print(
                    f"{each.name}: snapshot {t.snapshot_id} of {t.table} is gone",
                    markup=False,
                    highlight=False,
                    soft_wrap=True,
                )


def _plain(each: "Tag") -> dict[str, object]:
    return {"name": each.name, "time": each.time, "whole": each.whole, "tables": each.tables}
