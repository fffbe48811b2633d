"""Which stream a table is of."""

from lakehead.contracts.applied import contract_in_force
from lakehead.contracts.model import DEAD_SUFFIX, LANDING, Contract
from lakehead.errors import UserError
from lakehead.settings import Settings


def contract_of(settings: Settings, table: str) -> Contract | None:
    """The contract whose landing or dead table it is; None where it is of none."""
    namespace, _, name = table.rpartition(".")
    if namespace != LANDING:
        return None
    for stream in dict.fromkeys((name, name.removesuffix(DEAD_SUFFIX))):
        try:
            return contract_in_force(settings, stream)
        except UserError:
            continue
    return None
