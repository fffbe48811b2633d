"""model list, explain, check, test, new."""

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lakehead.cli.options import Home, Json, Models, complete_model, complete_stream
from lakehead.cli.render import err, out, print_json, steps
from lakehead.errors import UserError
from lakehead.settings import Settings, load_settings

if TYPE_CHECKING:
    from lakehead.models.testing import Result, Suite

_PANEL = "Models"


class Dialect(Enum):
    """Of `lakehead.models.explain.DIALECTS`; written out, for help must come without it."""

    flink = "flink"
    spark = "spark"
    duckdb = "duckdb"


class Kind(Enum):
    """Of `lakehead.models.header.KINDS`."""

    window = "window"
    rows = "rows"
    dedup = "dedup"
    enrich = "enrich"
    join = "join"
    sequence = "sequence"


class WindowKind(Enum):
    """Of `lakehead.models.scaffold.WINDOWS`."""

    tumble = "tumble"
    hop = "hop"
    session = "session"
    cumulate = "cumulate"


def register(app: typer.Typer) -> None:
    group = typer.Typer(
        name="model",
        help="Write, check, test and show models: the SQL over streams.",
        no_args_is_help=True,
        rich_markup_mode="rich",
    )
    group.command("list", epilog="lakehead model list --json")(list_)
    group.command(epilog="lakehead model explain revenue_by_country --dialect spark")(explain)
    group.command(epilog="lakehead model check   ·   lakehead model check revenue_by_country")(
        check
    )
    group.command(epilog="lakehead model test   ·   lakehead model test revenue_by_country")(test)
    group.command(
        epilog="lakehead model new visits --stream page_views --window session   ·   "
        "lakehead model new paid --stream orders --stream payments --kind join"
    )(new)
    app.add_typer(group, rich_help_panel=_PANEL)


def list_(home: Home = None, json_: Json = False) -> None:
    """Show each model: its kind, what it reads, its window, where its answer goes."""
    from lakehead.models.explain import window_text
    from lakehead.models.model import load_model, model_names

    settings = load_settings(home)
    models: list[dict[str, Any]] = []
    for name in model_names(settings.pipelines):
        try:
            model = load_model(settings.pipelines, name)
        except UserError as error:
            models.append({"name": name, "problem": _nearer(error.message)})
            continue
        models.append(
            {
                "name": name,
                "kind": model.kind,
                "streams": list(model.streams),
                "window": window_text(model.window) if model.window else None,
                "output": model.table,
                "alert": model.alert_topic,
                "description": model.description,
            }
        )
    if json_:
        print_json({"models": models})
        return
    if not models:
        out().print(f"There is no model yet.  Write one:  {_new_hint(settings)}")
        return
    for m in models:
        typer.echo(typer.style(m["name"], bold=True))
        if "problem" in m:
            typer.echo(f"  {m['problem']}")
            continue
        reads = " and ".join(m["streams"])
        what = f"{m['kind']}, {m['window']}" if m["window"] else m["kind"]
        alert = f" and topic {m['alert']}" if m["alert"] else ""
        typer.echo(f"  {what}: {reads} -> {m['output']}{alert}")
        if m["description"]:
            typer.echo(f"  {m['description']}")


def explain(
    model: Annotated[str, typer.Argument(help="A model.", autocompletion=complete_model)],
    dialect: Annotated[
        Dialect, typer.Option(help="flink: in the job. spark: reconcile. duckdb: tests, parity.")
    ] = Dialect.flink,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Print the SQL that a model becomes in an engine."""
    from lakehead.models.explain import explain as run
    from lakehead.models.testing import bind_written

    settings = load_settings(home)
    bound, _ = bind_written(settings.schemas, settings.pipelines, model)
    statements = run(bound, dialect.value)
    if json_:
        print_json({"model": model, "dialect": dialect.value, "statements": statements})
    else:
        typer.echo(";\n\n".join(statements) + ";")


def check(model: Models = None, home: Home = None, json_: Json = False) -> None:
    """Say everything that is wrong with models, their tests, and the contracts that they read.

    One line a problem: file:line: what is wrong and what was expected. Exits with 2 on any.
    """
    from lakehead.models.check import check_models
    from lakehead.models.model import model_names

    settings = load_settings(home)
    names = model or model_names(settings.pipelines)
    found = check_models(settings.schemas, settings.pipelines, model)
    wrong = {f.file.stem for f in found}
    sound = [name for name in names if name not in wrong]
    if json_:
        listed = [{"file": _near(f.file), "line": f.line, "message": f.message} for f in found]
        print_json({"checked": len(names), "sound": sound, "problems": listed})
    else:
        for f in found:
            text = f"{_near(f.file)}:{f.line}: {f.message}"
            typer.echo(text.encode("utf-8", "replace").decode())
        many = "1 model" if len(names) == 1 else f"{len(names)} models"
        if found:
            typer.echo(f"Sound: {', '.join(sound) or 'none'}.")
        else:
            typer.echo(f"{many}, no problem{': ' if sound else ''}{', '.join(sound)}.")
    if found:
        raise typer.Exit(2)


def test(model: Models = None, home: Home = None, json_: Json = False) -> None:
    """Run the tests of models, pipelines/tests/NAME.yaml, in DuckDB. Nothing need run.

    Exits with 1 where a case fails, with 2 where a model or its tests cannot be read.
    """
    import time

    from lakehead.models.model import model_names
    from lakehead.models.testing import load_suite, models_with_tests, open_runner

    settings = load_settings(home)
    everything = sorted({*model_names(settings.pipelines), *models_with_tests(settings.pipelines)})
    began = time.perf_counter()
    results: dict[str, list[Result]] = {}
    unread: dict[str, str] = {}
    with steps("testing") as view, open_runner() as runner:
        for name in model or everything:
            view.count(f"testing {name}")
            try:
                suite: Suite = load_suite(settings.schemas, settings.pipelines, name)
            except UserError as error:
                unread[name] = _nearer(error.message)
                continue
            results[name] = [runner.run(suite, case) for case in suite.cases]
    seconds = time.perf_counter() - began
    if json_:
        print_json(_as_json(results, unread, seconds))
    else:
        _show_results(settings, results, unread, seconds)
    if unread:
        raise typer.Exit(2)
    if not all(r.passed for found in results.values() for r in found):
        raise typer.Exit(1)


def new(
    name: Annotated[str, typer.Argument(help="The new model's name.")],
    stream: Annotated[
        list[str] | None,
        typer.Option(
            help="The stream that it reads; twice for enrich and join.",
            autocompletion=complete_stream,
        ),
    ] = None,
    kind: Annotated[Kind | None, typer.Option(help="What it does.", show_default="window")] = None,
    window: Annotated[
        WindowKind | None, typer.Option(help="Its window.", show_default="tumble")
    ] = None,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Write a first model over a stream, and its tests, which pass as they stand."""
    from lakehead.contracts.fields import NAME, NAME_EXPECTED
    from lakehead.contracts.load import contract_names, load_contract
    from lakehead.models.cases import cases_path
    from lakehead.models.scaffold import bound_draft, draft, scaffold_model
    from lakehead.models.scaffold_cases import scaffold_cases
    from lakehead.models.testing import open_runner

    settings = load_settings(home)
    streams = contract_names(settings.schemas)
    if not NAME.fullmatch(name) or "__" in name:
        raise UserError(f"{name!r} is no name for a model; expected {NAME_EXPECTED}, no __")
    if name in streams:
        raise UserError(f"{name} is a stream; expected a name of its own for the model")
    if not stream:
        known = ", ".join(streams) or "none"
        raise UserError(f"which stream does {name} read? Streams: {known}", _new_hint(settings))
    model_path = settings.pipelines / f"{name}.sql"
    tests_path = cases_path(settings.pipelines, name)
    for path in (model_path, tests_path):
        if path.exists():
            raise UserError(f"{_near(path)} is there already", f"lakehead model test {name}")
    wanted = draft(
        name,
        kind.value if kind else None,
        window.value if window else None,
        [load_contract(settings.schemas, s) for s in stream],
    )
    text = scaffold_model(wanted)
    with open_runner() as runner:
        tests = scaffold_cases(wanted, bound_draft(wanted, text), runner)
    _write_new({model_path: text, tests_path: tests})
    if json_:
        print_json({"model": name, "files": [_near(model_path), _near(tests_path)]})
        return
    out().print(f"Written: {_near(model_path)}, {_near(tests_path)}", soft_wrap=True)
    out().print(f"Edit them, then:  lakehead model check {name}  &&  lakehead model test {name}")
    out().print(f"Start it:         lakehead submit {stream[0]}")


def _write_new(files: dict[Path, str]) -> None:
    """All of the files, none of which is there, or none."""
    written: list[Path] = []
    try:
        for path, text in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8") as file:
                written.append(path)
                file.write(text)
    except OSError as error:
        for path in written:
            path.unlink(missing_ok=True)
        raise UserError(f"{error.filename or path} cannot be written: {error}") from error


def _show_results(
    settings: Settings,
    results: dict[str, list["Result"]],
    unread: dict[str, str],
    seconds: float,
) -> None:
    width = max((len(name) for name in results), default=0)
    for name, found in results.items():
        failed = [r for r in found if not r.passed]
        if not found:
            typer.echo(f"{name:{width}}  no tests: pipelines/tests/{name}.yaml is not there")
            continue
        said = [f"{len(found) - len(failed)} passed"] + [f"{len(failed)} failed"] * bool(failed)
        typer.echo(f"{name:{width}}  {', '.join(said)}")
        for r in failed:
            typer.echo(f"\nFAILED {_near(r.case.file)}:{r.case.line}: {r.case.name}")
            typer.echo(f"{r.explanation}\n")
    for message in unread.values():
        err().print(message, markup=False, highlight=False, soft_wrap=True)
    cases = [r for found in results.values() for r in found]
    failures = sum(not r.passed for r in cases)
    if not results and not unread:
        out().print(f"There is no model yet.  Write one:  {_new_hint(settings)}")
        return
    many = "1 case" if len(cases) == 1 else f"{len(cases)} cases"
    parts = [f"{many} in {seconds:.1f} s", f"{len(cases) - failures} passed"]
    parts += [f"{failures} failed"] * bool(failures)
    parts += [f"{len(unread)} could not be read"] * bool(unread)
    typer.echo(", ".join(parts) + ".")


def _as_json(
    results: dict[str, list["Result"]], unread: dict[str, str], seconds: float
) -> dict[str, Any]:
    cases = [r for found in results.values() for r in found]
    return {
        "passed": sum(r.passed for r in cases),
        "failed": sum(not r.passed for r in cases),
        "seconds": round(seconds, 3),
        "models": {
            name: [
                {
                    "name": r.case.name,
                    "file": _near(r.case.file),
                    "line": r.case.line,
                    "passed": r.passed,
                    "seconds": round(r.seconds, 4),
                    "error": r.error,
                    "expect": r.settled,
                    "expect_stream": r.streamed,
                }
                for r in found
            ]
            for name, found in results.items()
        },
        "unread": unread,
    }


def _new_hint(settings: Settings) -> str:
    from lakehead.contracts.load import contract_names

    streams = contract_names(settings.schemas)
    return f"lakehead model new NAME --stream {streams[0] if streams else 'STREAM'}"


def _near(path: Path) -> str:
    """The path as seen from here, where it is below."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def _nearer(message: str) -> str:
    """A message whose lines begin with files, these as seen from here."""
    return message.replace(f"{Path.cwd()}/", "")
