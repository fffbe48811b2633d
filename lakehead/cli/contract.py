"""contract check, new, show, docs, schema, types, verify; diff and apply are in ``evolution``."""

from pathlib import Path
from typing import Annotated

import typer

from lakehead.cli import evolution
from lakehead.cli.options import Home, Json, Streams, complete_stream
from lakehead.cli.render import err, out, print_json, steps, table
from lakehead.errors import ProofFailed, UserError
from lakehead.settings import Settings, load_settings

_PANEL = "Contracts"

Stream = Annotated[
    str, typer.Argument(help="A stream that has a contract.", autocompletion=complete_stream)
]


def register(app: typer.Typer) -> None:
    group = typer.Typer(
        name="contract",
        help="Write, check, show and change the contracts of streams.",
        no_args_is_help=True,
        rich_markup_mode="rich",
    )
    group.command(epilog="lakehead contract check   ·   lakehead contract check orders")(check)
    group.command(epilog="lakehead contract new payments --from payments.csv")(new)
    group.command(epilog="lakehead contract show orders")(show)
    group.command(epilog="lakehead contract docs --out /tmp/streams")(docs)
    group.command(epilog="lakehead contract schema > schemas/contract.schema.json")(schema)
    group.command(epilog="lakehead contract types --json")(types)
    group.command(epilog="lakehead contract verify orders")(verify)
    evolution.register(group)
    app.add_typer(group, rich_help_panel=_PANEL)


def check(
    contract: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[STREAM|FILE]...",
            help="Streams or files; all contracts by default.",
            autocompletion=complete_stream,
        ),
    ] = None,
    home: Home = None,
    against: Annotated[
        str | None,
        typer.Option(help="A git revision: refuse what breaks who reads the streams as of then."),
    ] = None,
    json_: Json = False,
) -> None:
    """Say everything that is wrong with contracts, and with models that read them.

    One line a problem: file:line: what is wrong and what was expected. Exits with 2 on any.
    """
    from lakehead.contracts.load import contract_names
    from lakehead.models.check import check_against_revision, check_contracts

    settings = load_settings(home)
    paths = [_path(settings, name) for name in contract or contract_names(settings.schemas)]
    found = check_contracts(paths, settings.pipelines)
    if against is not None and not found:
        found = check_against_revision(settings.schemas, against, [path.stem for path in paths])
    if json_:
        listed = [{"file": _near(f.file), "line": f.line, "message": f.message} for f in found]
        print_json({"checked": len(paths), "problems": listed})
    else:
        for f in found:
            text = f"{_near(f.file)}:{f.line}: {f.message}"
            typer.echo(text.encode("utf-8", "replace").decode())
        if not found:
            many = "contract" if len(paths) == 1 else "contracts"
            typer.echo(f"{len(paths)} {many}, no problem.")
    if found:
        raise typer.Exit(2)


def new(
    name: Annotated[str, typer.Argument(help="The new stream's name.")],
    home: Home = None,
    source: Annotated[
        Path | None,
        typer.Option("--from", help="Guess the fields from a csv, tsv, parquet or jsonl."),
    ] = None,
) -> None:
    """Write a first contract, valid as it stands, with comments on what to change."""
    from lakehead.contracts.editor_schema import schema_text
    from lakehead.contracts.fields import NAME, NAME_EXPECTED
    from lakehead.contracts.scaffold import scaffold
    from lakehead.files import write_whole

    settings = load_settings(home)
    if not NAME.fullmatch(name):
        raise UserError(f"{name!r} is no name for a stream; expected {NAME_EXPECTED}")
    path = settings.schemas / f"{name}.yaml"
    if path.exists():
        raise UserError(f"{path} is there already", f"lakehead contract show {name}")
    text = scaffold(name, source)
    try:
        settings.schemas.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
        schema_path = settings.schemas / "contract.schema.json"
        if not schema_path.exists():
            write_whole(schema_path, schema_text())
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error}") from error
    out().print(f"Written: {_near(path)}", highlight=False, soft_wrap=True)
    out().print(f"Edit it, then:  lakehead contract check {name}")
    out().print(f"Start it:       lakehead contract apply {name}")


def show(stream: Stream, home: Home = None, json_: Json = False) -> None:
    """Show a contract: its fields with their rules, and its settings."""
    from lakehead.contracts.load import load_contract
    from lakehead.contracts.model import walk_fields
    from lakehead.contracts.words import rules_of, settings_of

    settings = load_settings(home)
    contract = load_contract(settings.schemas, stream)
    if json_:
        print_json({"contract": contract})
        return
    rows = [
        [
            "  " * (len(path) - 1) + f.name,
            "object" if f.type.kind == "object" else str(f.type),
            f.required or None,
            "\n".join(rules_of(f)),
            f.description,
        ]
        for path, f in walk_fields(contract.fields)
    ]
    table(f"{stream} {contract.version}", ["field", "type", "required", "rules", "meaning"], rows)
    if contract.rules:
        conditions = [[r.name, r.condition, r.description] for r in contract.rules]
        table("Rules of the whole event", ["rule", "condition", "meaning"], conditions)
    table("Settings", ["setting", "value"], [list(item) for item in settings_of(contract).items()])


def docs(
    stream: Streams = None,
    home: Home = None,
    folder: Annotated[
        Path | None,
        typer.Option("--out", help="Where to write.", show_default="docs/streams in the project"),
    ] = None,
    json_: Json = False,
) -> None:
    """Write a page for each stream, as HTML and as Markdown, and an index."""
    from lakehead.contracts.load import load_contracts
    from lakehead.contracts.pages import Reader, write_pages
    from lakehead.models.model import load_models

    settings = load_settings(home)
    contracts = load_contracts(settings.schemas)
    readers: dict[str, list[Reader]] = {}
    for m in load_models(settings.pipelines):
        readers.setdefault(m.stream, []).append(Reader(m.name, m.table, m.description))
    for name in stream or ():
        if name not in [c.stream for c in contracts]:
            known = ", ".join(c.stream for c in contracts) or "none"
            raise UserError(f"there is no stream {name!r}; streams: {known}")
    target = folder or settings.project / "docs" / "streams"
    try:
        written = write_pages(contracts, readers, target, stream)
    except OSError as error:
        raise UserError(f"{target} cannot be written: {error}") from error
    if json_:
        print_json({"files": [str(p) for p in written]})
    else:
        out().print(f"{len(written)} pages in {_near(target)}", highlight=False, soft_wrap=True)


def schema() -> None:
    """Print the JSON Schema of contracts, for editors: completion, hover, mistakes underlined."""
    from lakehead.contracts.editor_schema import schema_text

    typer.echo(schema_text(), nl=False)


def types(
    json_: Json = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the page of the documentation.")
    ] = False,
) -> None:
    """Show each type of a contract, and what it is in JSON and in the engines."""
    from lakehead.contracts.type_table import type_rows, types_page

    if markdown:
        typer.echo(types_page(), nl=False)
        return
    rows = type_rows()
    if json_:
        print_json({"types": rows})
        return
    table(
        "In a contract, and in JSON",
        ["type", "in the contract", "in JSON"],
        [[r.type, r.contract, r.json] for r in rows],
    )
    table(
        "In the engines",
        ["type", "Avro", "Flink", "Iceberg", "Spark", "DuckDB", "Arrow"],
        [[r.type, r.avro, r.flink, r.iceberg, r.spark, r.duckdb, r.arrow] for r in rows],
    )


def verify(stream: Stream, home: Home = None, json_: Json = False) -> None:
    """Hold the rules between events, uniqueness and references, against every landed row.

    Exits with 1 when one is broken.
    """
    from lakehead.proof.verify import verify as run

    settings = load_settings(home)
    with steps(f"verifying {stream}"):
        results = run(settings, stream)
    if json_:
        print_json({"stream": stream, "rules": results})
    elif not results:
        out().print(f"{stream} has no rule between events.")
    else:
        rows = [[r.rule, r.checked, r.violations] for r in results]
        table(f"Rules between events of {stream}", ["rule", "rows checked", "violations"], rows)
        for r in results:
            for v in r.examples:
                err().print(
                    f"{r.rule}: {v.value!s:.200}, key {v.key!s:.200}, "
                    f"partition {v.partition}, offset {v.offset}",
                    markup=False,
                    highlight=False,
                    soft_wrap=True,
                )
    broken = sum(r.violations for r in results)
    if broken:
        raise ProofFailed(f"{stream}: {broken:,} violations of rules between events")


def _path(settings: Settings, name: str) -> Path:
    """A file where it is written as one, else the contract of a stream."""
    from lakehead.contracts.load import contract_path

    if "/" in name or name.endswith((".yaml", ".yml")):
        return Path(name)
    return contract_path(settings.schemas, name)


def _near(path: Path) -> str:
    """The path as seen from here, where it is below."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
