"""`SpaceRecord`: which space an index is of, in a small file beside it or beside the state.

The record also holds the vector of a known text, as the first provider gave it. Every other
provider must give the same before its vectors are used.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from ..catalogue.serving import Space
from ..catalogue.spaces import SPACES
from ..errors import BadSetting
from ..wire.answer import Vector
from ..wire.vectors import NoVector, as_base64, from_bytes, unit
from .json_cache import read_json, write_json

FORMAT = 1
KNOWN_TEXT = (
    "The lighthouse keeper counts seven ships, two storms and one letter from home every winter."
)
"""The text whose vector every provider of a space must agree on."""
FILE = "embedding-space.json"
"""The record's name in a folder."""


@dataclass(frozen=True, kw_only=True)
class SpaceRecord:
    """A pinned space. `known`: the vector of `KNOWN_TEXT` as a document; `known_query`: the same as
    a query, where that differs. None: nobody was asked yet."""

    space: Space
    known: Vector | None = None
    known_query: Vector | None = None
    by: str = ""
    """The model that gave `known`."""
    why: str = ""
    """Why this space was chosen."""

    @property
    def digest(self) -> str:
        """Names the space as its first provider served it: vectors are kept under it."""
        known = b"" if self.known is None else self.known.tobytes()
        return sha256(repr(self.space.key).encode() + known).hexdigest()[:32]

    def answered(self, known: Vector, by: str) -> SpaceRecord:
        """The record after the first answer: the dimension is known now."""
        space = replace(self.space, dimension=len(known))
        return replace(self, space=space, known=known, by=by)

    def as_data(self) -> dict[str, Any]:
        """The record as plain data."""
        return {
            "format": FORMAT,
            "space": self.space.as_data(),
            "name": self.space.name,
            "known_text": KNOWN_TEXT,
            "known_vector": _text(self.known),
            "known_query_vector": _text(self.known_query),
            "by": self.by,
            "why": self.why,
        }


def record_of(data: object, place: str) -> SpaceRecord | None:
    """The record in plain data; None: there is none. Raises `BadSetting` if it is unreadable."""
    if data is None:
        return None
    try:
        if not isinstance(data, Mapping) or data["format"] != FORMAT:
            raise ValueError("unknown format")
        if data["known_text"] != KNOWN_TEXT:
            raise ValueError("its known text is another one")
        identity = data["space"]
        family = str(identity["family"])
        facts = SPACES.get(family, Space(family=family))
        space = replace(
            facts,
            revision=str(identity["revision"]),
            dimension=int(identity["dimension"]),
            query_prefix=str(identity["query_prefix"]),
            document_prefix=str(identity["document_prefix"]),
            resized=int(identity["dimension"]) != facts.dimension != 0,
        )
        return SpaceRecord(
            space=space,
            known=_vector(data["known_vector"], space.dimension),
            known_query=_vector(data["known_query_vector"], space.dimension),
            by=str(data["by"]),
            why=str(data["why"]),
        )
    except (KeyError, TypeError, ValueError, NoVector, binascii.Error) as error:
        raise BadSetting(
            f"{place} is no record of a vector space: {error}",
            hint="restore it, or delete it together with the index",
        ) from None


def _text(vector: Vector | None) -> str | None:
    return None if vector is None else as_base64(vector)


def _vector(text: str | None, dimension: int) -> Vector | None:
    if text is None:
        return None
    vector = unit(from_bytes(base64.b64decode(text, validate=True)))
    if len(vector) != dimension:
        raise ValueError(f"its known vector has {len(vector)} dimensions, not {dimension}")
    return vector


class Records:
    """Where a record is: in a file that the caller names, else in the state's `folder`, else in
    this process. `kept`: the records that this process has read."""

    def __init__(
        self, kept: dict[str, SpaceRecord], pin: str | Path | None, folder: Path | None
    ) -> None:
        self._kept = kept
        path = Path(pin) if pin is not None else folder
        if path is not None and (pin is None or path.is_dir() or not path.suffix):
            path = path / FILE
        self.path = path

    @property
    def place(self) -> str:
        """Where the record is, in words."""
        return "this process" if self.path is None else str(self.path)

    def read(self) -> SpaceRecord | None:
        """The record. Raises `BadSetting` if something else is there."""
        if self.path is None:
            return self._kept.get("")
        if not self.path.exists():
            return None
        key = self._key()
        known = self._kept.get(key)
        if known is None:
            data = read_json(self.path)
            known = record_of({} if data is None else data, str(self.path.absolute()))
            if known is not None:
                self._kept[key] = known
        return known

    def write(self, record: SpaceRecord) -> None:
        """Keep a record. Raises `BadSetting` if the file cannot be written: an index without it
        could get vectors of another space."""
        if self.path is None:
            self._kept[""] = record
            return
        problem = write_json(self.path, record.as_data())
        if problem is not None:
            raise BadSetting(
                f"the record of the vector space cannot be written to {self.path}: {problem}",
                hint="pass pin= a path that can be written",
            )
        self._kept.pop(self._key(), None)

    def first(self, record: SpaceRecord) -> SpaceRecord:
        """Keep a record if there is none yet. Returns the one that counts: another process, or
        another call of this one, may have been faster. Raises `BadSetting` as `write` does."""
        if self.path is None:
            return self._kept.setdefault("", record)
        if write_json(self.path, record.as_data(), first=True) is None:
            return record
        found = self.read()
        if found is None:  # it cannot be written so: no links here, or no room
            self.write(record)
            return record
        return found

    def _key(self) -> str:
        """Names the file as it is now: who replaces it is noticed."""
        try:
            found = Path(self.path or "").stat()
        except OSError:
            return str(self.path)
        return f"{self.path}|{found.st_mtime_ns}|{found.st_ino}|{found.st_size}"
