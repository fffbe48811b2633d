"""SCRAM against the exchange that RFC 7677 prints."""

import pytest

from lakehead.streams.scram import Scram

NONCE = "rOprNGfwEbeRWgbNEkqO"
CHALLENGE = (
    b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
)


def exchange() -> Scram:
    return Scram("SCRAM-SHA-256", "user", "pencil", NONCE)


def test_the_exchange_is_that_of_the_rfc() -> None:
    scram = exchange()
    assert scram.first() == b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
    assert scram.final(CHALLENGE) == (
        b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
        b"p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    )
    assert scram.knows_me(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")


def test_a_broker_that_does_not_know_the_password_is_found_out() -> None:
    scram = exchange()
    scram.final(CHALLENGE)
    assert not scram.knows_me(b"v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")
    assert not scram.knows_me(b"")


@pytest.mark.parametrize(
    "challenge",
    [
        b"e=unknown-user",
        CHALLENGE.replace(b"rOpr", b"XXXX"),
        CHALLENGE.replace(b"4096", b"1"),
        CHALLENGE.replace(b"4096", b"many"),
    ],
)
def test_an_unsafe_challenge_gets_no_proof(challenge: bytes) -> None:
    with pytest.raises(ConnectionError, match="challenge"):
        exchange().final(challenge)


def test_a_name_cannot_break_out_of_its_field() -> None:
    assert Scram("SCRAM-SHA-512", "a=b,c", "p", "x").first() == b"n,,n=a=3Db=2Cc,r=x"


def test_two_exchanges_share_no_nonce() -> None:
    assert Scram("SCRAM-SHA-512", "u", "p").first() != Scram("SCRAM-SHA-512", "u", "p").first()
