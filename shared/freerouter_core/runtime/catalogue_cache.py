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

FORMAT = 2
"""The version of the files. Others are ignored, and replaced by the next fetch."""
_DEFAULTS = {f.name: f.default for f in fields(Model) if f.init}


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
            models = tuple(_from_row(row) for row in copy["models"])
            return (float(copy["fetched"]), models) if models and copy["format"] == FORMAT else None
        except (ValueError, KeyError, TypeError, AttributeError):
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
        digest = hashlib.sha256(f"{account.scope}|{account.free}".encode()).hexdigest()[:16]
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
    values: dict[str, Any] = {
        name: frozenset(value) if isinstance(value, list) else value for name, value in row.items()
    }
    model = Model(**values)
    if not (
        isinstance(model.id, str)
        and isinstance(model.context, int)
        and isinstance(model.quality, (int, float))
    ):
        raise TypeError("not a model as this version writes it")
    return model
