"""kafka user add, list, revoke."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lakehead.cli.options import Home, Json, complete_stream
from lakehead.cli.render import err, out, print_json, table
from lakehead.errors import UserError
from lakehead.files import write_private
from lakehead.settings import Settings, load_settings

if TYPE_CHECKING:
    from lakehead.streams.users import Right

DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]


def register(app: typer.Typer) -> None:
    kafka = typer.Typer(help="Kafka of the stack, where it is secured.", no_args_is_help=True)
    user = typer.Typer(
        help="Who may produce and consume what. A secured Kafka takes nobody else.",
        no_args_is_help=True,
    )
    user.command(
        epilog="lakehead kafka user add shop --produce orders   ·   "
        "lakehead kafka user add board --consume orders --properties client.properties"
    )(add)
    user.command("list", epilog="lakehead kafka user list --json")(list_)
    user.command(epilog="lakehead kafka user revoke shop")(revoke)
    kafka.add_typer(user, name="user")
    app.add_typer(kafka, name="kafka", rich_help_panel="Stack")


def add(
    name: Annotated[str, typer.Argument(help="Who or what it is for, such as a service.")],
    produce: Annotated[
        list[str] | None,
        typer.Option(help="Stream to write; again for more.", autocompletion=complete_stream),
    ] = None,
    consume: Annotated[
        list[str] | None,
        typer.Option(help="Stream to read; again for more.", autocompletion=complete_stream),
    ] = None,
    new_password: Annotated[
        bool, typer.Option("--new-password", help="The old one is good no more.")
    ] = False,
    properties: Annotated[
        Path | None,
        typer.Option(
            help="Write the password into this new file of properties, for Java clients, "
            "and do not show it."
        ),
    ] = None,
    dry_run: DryRun = False,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Make a user, or give one more rights. A password is shown now, and never again."""
    from lakehead.streams import users

    settings = load_settings(home)
    users.check_name(name)
    rights = _rights(settings, name, produce or [], consume or [])
    if properties is not None and properties.exists():
        raise UserError(f"{properties} is there already", "choose another name for --properties")
    said = [str(right) for right in rights]
    if dry_run:
        if json_:
            print_json({"name": name, "rights": said})
            return
        out().print(f"{name} would have the right to", highlight=False)
        _print_rights(said)
        return
    if properties is not None and not new_password and users.has_password(settings, name):
        raise UserError(
            f"{name} is a user already, whose password nobody keeps",
            f"lakehead kafka user add {name} --new-password --properties {properties}",
        )
    password = users.add(settings, name, rights, new_password)
    if properties is not None and password is not None:
        write_private(properties, users.client_properties(settings, name, password))
    shown = None if properties else password
    if json_:
        print_json({"name": name, "rights": said, "password": shown})
        return
    if properties is not None:
        err().print(f"{name} signs in with {properties}, which only you can read.", soft_wrap=True)
    elif password is None:
        err().print(f"{name} keeps the password, and has the rights.")
    else:
        err().print(f"The password of {name}; it is shown once:")
        typer.echo(password)


def list_(home: Home = None, json_: Json = False) -> None:
    """Show the users and their rights."""
    from lakehead.streams import users

    found = users.listed(load_settings(home))
    if json_:
        print_json([{"name": u.name, "rights": [str(r) for r in u.rights]} for u in found])
        return
    if not found:
        out().print("There is no user yet.  Make one:  lakehead kafka user add NAME")
        return
    rows = [[u.name, "\n".join(map(str, u.rights)) or "none"] for u in found]
    table("Users of Kafka", ["user", "rights"], rows)


def revoke(
    name: Annotated[str, typer.Argument(help="The user's name.")],
    dry_run: DryRun = False,
    home: Home = None,
) -> None:
    """Take all rights and the password away. What the user has open is refused from now on."""
    from lakehead.streams import users

    settings = load_settings(home)
    if dry_run:
        out().print(f"{name} would lose the password, and the right to", highlight=False)
        _print_rights([str(r) for r in users.find(settings, name).rights])
        return
    users.revoke(settings, name)
    out().print(f"{name} is no user of Kafka any more.", highlight=False)


def _rights(settings: Settings, name: str, produce: list[str], consume: list[str]) -> "list[Right]":
    from lakehead.contracts.load import load_contract
    from lakehead.streams import users

    rights = [
        *(users.rights_to_produce(name, load_contract(settings.schemas, s)) for s in produce),
        *(users.rights_to_consume(name, load_contract(settings.schemas, s)) for s in consume),
    ]
    return list(dict.fromkeys(right for some in rights for right in some))


def _print_rights(rights: list[str]) -> None:
    for right in rights:
        out().print(f"  {right}", markup=False, highlight=False)
