"""Tokens: kept as hashes, readable by the owner only, known as the file has them now."""

import stat
from pathlib import Path

import pytest

from lakehead.errors import UserError
from lakehead.server import tokens
from lakehead.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", project=tmp_path)


def test_a_token_opens_until_it_is_revoked(settings: Settings) -> None:
    keeper = tokens.Doorkeeper(settings)
    assert keeper.admit("anything") is None
    secret = tokens.new(settings, "ann", "reader")
    token = keeper.admit(secret, "ann")
    assert token and token.name == "ann" and not token.rules
    assert keeper.admit(secret) == token
    assert keeper.admit(secret, "bob") is None
    assert keeper.admit(secret + "x", "ann") is None
    assert keeper.still(token)
    tokens.revoke(settings, "ann")
    assert keeper.admit(secret, "ann") is None
    assert not keeper.still(token)


def test_the_secret_is_kept_nowhere(settings: Settings) -> None:
    secret = tokens.new(settings, "ann", "operator")
    folder = settings.home / "server"
    assert stat.S_IMODE((folder / "tokens.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for path in folder.iterdir():
        assert secret not in path.read_text()
        assert secret[3:20] not in path.read_text()


def test_roles_and_their_limits(settings: Settings) -> None:
    tokens.new(settings, "ann", "reader")
    tokens.new(settings, "op", "operator")
    tokens.new(settings, "shop", "reader", ["marts.rev*"], 10)
    ann, op, shop = tokens.listed(settings)
    assert ann.sees("landing.orders") and ann.sees("MARTS.m") and not ann.sees("ops.ledger")
    assert op.sees("ops.ledger") and op.rules
    assert shop.sees("marts.revenue") and not shop.sees("marts.m") and shop.max_rows == 10
    assert ann.max_rows == tokens.ROLES["reader"].max_rows


@pytest.mark.parametrize(
    ("name", "role", "tables", "rows", "said"),
    [
        ("", "reader", [], None, "a token's name is"),
        ("a b", "reader", [], None, "a token's name is"),
        ("a", "king", [], None, "there is no role 'king'"),
        ("a", "reader", ["marts.'"], None, "is no pattern"),
        ("a", "reader", [], 0, "expected 1 or more"),
    ],
)
def test_what_is_no_token(
    settings: Settings, name: str, role: str, tables: list[str], rows: int | None, said: str
) -> None:
    with pytest.raises(UserError, match=said):
        tokens.new(settings, name, role, tables, rows)
    assert tokens.listed(settings) == []


def test_names_are_taken_once(settings: Settings) -> None:
    tokens.new(settings, "ann", "reader")
    with pytest.raises(UserError, match="already"):
        tokens.new(settings, "ann", "reader")
    with pytest.raises(UserError, match="no token 'bob'"):
        tokens.revoke(settings, "bob")


def test_a_broken_file_is_told(settings: Settings) -> None:
    tokens.new(settings, "ann", "reader")
    (settings.home / "server" / "tokens.json").write_text("[{}]")
    with pytest.raises(UserError, match="cannot be read"):
        tokens.listed(settings)
