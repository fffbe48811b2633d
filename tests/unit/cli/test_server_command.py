"""token and serve, as a person types them."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lakehead.cli.main import app
from lakehead.errors import UserError
from lakehead.server import tokens
from lakehead.settings import load_settings

RUN = CliRunner()


def ok(home: Path, *args: str) -> str:
    done = RUN.invoke(app, [*args, "--home", str(home)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_a_token_is_made_listed_and_revoked(tmp_path: Path) -> None:
    secret = ok(tmp_path, "token", "new", "ann").strip()
    keeper = tokens.Doorkeeper(load_settings(tmp_path))
    token = keeper.admit(secret, "ann")
    assert token and token.role == "reader"
    narrow = ["--role", "operator", "--tables", "marts.*, ops.ledger", "--max-rows", "7"]
    made = json.loads(ok(tmp_path, "token", "new", "shop", *narrow, "--json"))
    found = keeper.admit(made["token"])
    assert found and found.tables == ("marts.*", "ops.ledger") and found.max_rows == 7
    listed = ok(tmp_path, "token", "list", "--json")
    assert [t["name"] for t in json.loads(listed)] == ["ann", "shop"]
    assert secret not in listed and token.digest not in listed
    ok(tmp_path, "token", "revoke", "ann")
    assert keeper.admit(secret) is None


def test_serve_refuses_before_it_starts(tmp_path: Path) -> None:
    asked = ["serve", "--host", "0.0.0.0", "--home", str(tmp_path)]
    with pytest.raises(UserError, match="without TLS"):
        RUN.invoke(app, asked, catch_exceptions=False)
