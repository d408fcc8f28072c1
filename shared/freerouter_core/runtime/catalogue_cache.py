"""`CatalogueCache`: each account's list of models on disk, so that a cold start answers at once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any

from ..catalogue.model import Model
from ..catalogue.providers import Account
from .json_cache import read_json, write_json
from .listed_models import without_key

FORMAT = 2
"""The version of the files. Others are ignored, and replaced by the next fetch."""
_DEFAULTS = {f.name: f.default for f in fields(Model) if f.init and f.name != "serving"}


class CatalogueCache:
    """One JSON file for each account. `folder` gives their folder; None: nothing is kept."""

    def __init__(self, folder: Callable[[], Path | None]) -> None:
        self._folder = folder

    def read(self, account: Account) -> tuple[float, tuple[Model, ...]] | None:
        """(when the list was fetched, its models). None if there is no readable copy."""
        path = self._path(account)
        if path is None:
            return None
        copy = read_json(path)
        try:
            models = without_key(map(_from_row, copy["models"]), account)
            return (float(copy["fetched"]), models) if models and copy["format"] == FORMAT else None
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
            return None

    def write(self, account: Account, fetched: float, models: Iterable[Model]) -> str | None:
        """Replace the copy. Returns a message if it could not be written."""
        path = self._path(account)
        if path is None:
            return None
        rows = [_to_row(model) for model in models]
        return write_json(path, {"format": FORMAT, "fetched": fetched, "models": rows})

    def _path(self, account: Account) -> Path | None:
        folder = self._folder()
        if folder is None or account.simulated:
            return None
        of_list = f"|{account.models}" if account.lists_others else ""
        name = f"{account.scope}|{account.free}{of_list}"
        digest = hashlib.sha256(name.encode()).hexdigest()[:16]
        return folder / f"catalogue-{account.provider}-{digest}.json"


def _to_row(model: Model) -> dict[str, object]:
    """The fields of a model that differ from their defaults."""
    values = {name: getattr(model, name) for name in _DEFAULTS}
    return {
        name: sorted(value) if isinstance(value, frozenset) else value
        for name, value in values.items()
        if value != _DEFAULTS[name]
    }


def _from_row(row: dict[str, Any]) -> Model:
    """The model in a row. Raises TypeError or KeyError if this version did not write it."""
    return Model(**{name: _checked(name, value) for name, value in row.items()})


def _checked(name: str, value: object) -> Any:
    """A field's value, if it is of the field's type."""
    default = _DEFAULTS[name]
    if isinstance(default, frozenset):
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return frozenset(value)
    elif isinstance(default, bool) or isinstance(value, bool):
        if type(value) is type(default):
            return value
    elif default is None or isinstance(default, (int, float)):
        whole = isinstance(default, int) or name == "max_output"
        if isinstance(value, int if whole else (int, float)) and abs(value) <= _LARGEST:
            return value
    elif isinstance(value, str):
        return value
    raise TypeError(f"{name} is not as this version writes it")


_LARGEST = 1e15
"""No size, time or price of a model is beyond it."""
