"""Keys that the standard does not have: its own models ignore some, and so would hide a typo."""

import difflib
from typing import Any, get_args

from open_data_contract_standard.model import OpenDataContractStandard
from pydantic import BaseModel

from lakehead.contracts.document import Where
from lakehead.contracts.problems import Problems

# Free-form by the standard.
_OPEN = {"value", "logicalTypeOptions", "examples", "arguments", "implementation"}


def note_unknown_keys(data: dict[str, Any], problems: Problems) -> None:
    """Adds a problem for each key that its part of the standard does not know."""
    _note(data, OpenDataContractStandard, (), problems)


def known_keys(data: dict[str, Any]) -> dict[str, Any]:
    """The document without keys that the standard lacks at its top: its model takes no others."""
    known = _keys(OpenDataContractStandard)
    return {key: value for key, value in data.items() if key in known}


def _keys(model: type[BaseModel]) -> dict[str, Any]:
    """Each key of a part of the standard, with what it holds."""
    return {f.alias or name: f.annotation for name, f in model.model_fields.items()}


def _note(data: object, model: type[BaseModel], where: Where, problems: Problems) -> None:
    if isinstance(data, list):
        for i, item in enumerate(data):
            _note(item, model, (*where, i), problems)
    if not isinstance(data, dict):
        return
    known = _keys(model)
    for key, value in data.items():
        if key not in known:
            close = difflib.get_close_matches(str(key), known, n=1)
            meant = f"; did you mean {close[0]}?" if close else ""
            problems.add((*where, str(key)), f"{key} is not a key of the standard{meant}")
        elif key not in _OPEN and (inner := _model_in(known[key])):
            _note(value, inner, (*where, str(key)), problems)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)
