"""Tables that others commit to while they are looked at."""

import pytest

from lakehead.jobs.tables import steadily


def test_metadata_that_goes_while_it_is_read_is_read_anew() -> None:
    gone = iter([FileNotFoundError("v1"), FileNotFoundError("v2")])

    def read() -> str:
        for error in gone:
            raise error
        return "whole"

    assert steadily(read) == "whole"


def test_what_stays_away_is_told() -> None:
    def read() -> str:
        raise FileNotFoundError("v1")

    with pytest.raises(FileNotFoundError):
        steadily(read)
