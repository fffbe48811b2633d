"""The version of a contract that a home's topic, tables and job were made by.

``<home>/contracts/<stream>/applied.yaml`` is that file's text as it was; the versions before it
are beside it as ``0001.yaml`` and so on.
"""

from pathlib import Path

from lakehead.contracts.load import contract_from_text, contract_path, load_contract
from lakehead.contracts.model import Contract
from lakehead.errors import UserError
from lakehead.files import write_whole
from lakehead.settings import Settings


def applied_contract(settings: Settings, stream: str) -> Contract | None:
    """The version that is applied, None where none ever was.

    Raises:
        UserError: the record was damaged, or names what this version of lakehead does not know.
    """
    text = _read(_folder(settings, stream) / "applied.yaml")
    # Named as the file in schemas/ is, for a contract is named as its file.
    return None if text is None else contract_from_text(text, _folder(settings, stream) / stream)


def contract_in_force(settings: Settings, stream: str) -> Contract:
    """What tables and job follow now: the applied version, else the file in ``schemas/``.

    Raises:
        UserError: the stream has neither.
    """
    return applied_contract(settings, stream) or load_contract(settings.schemas, stream)


def record_applied(settings: Settings, stream: str) -> bool:
    """Note that the file in ``schemas/`` is what is applied now; gives whether that is news."""
    folder = _folder(settings, stream)
    text = contract_path(settings.schemas, stream).read_text(encoding="utf-8")
    before = _read(folder / "applied.yaml")
    if before == text:
        return False
    if before is not None:
        number = len(list(folder.glob("[0-9]*.yaml"))) + 1
        write_whole(folder / f"{number:04}.yaml", before)
    write_whole(folder / "applied.yaml", text)
    return True


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read: {error}", "restore it from a copy") from error


def _folder(settings: Settings, stream: str) -> Path:
    return settings.contracts / stream
