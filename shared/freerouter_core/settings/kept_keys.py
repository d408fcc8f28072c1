"""Keys that `freerouter keys set` keeps: in the system's keyring, or where there is none in a file.

The file `keys.json` in the user's configuration directory names every kept key by its variable. Its
value is the key, or null if the keyring has it. Only its owner may read the file (mode 600).

Kept keys count after the environment and the files of the working directory. They are the user's
own, so they go to the provider's own address or to one that the user set (law 13): never to one
that a found file names.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from ..errors import BadSetting, forgets_locals
from ..wire.json_values import parse_json
from .sources import Source
from .trust import read_bounded

SERVICE = "freerouter"
"""The name of this package in the keyring."""
FILE = "keys.json"
READ_TIMEOUT, WRITE_TIMEOUT = 5.0, 60.0
"""Seconds for the keyring. It may ask its owner for a password before it is written."""
KEYRING = "keyring"
"""The name of the keyring as a source."""
T = TypeVar("T")
log = logging.getLogger("freerouter")
_read: dict[tuple[int, str], str | None] = {}
"""What the keyring said, by the time at which the file was written."""


def file_of_keys() -> Path:
    """The file that names the kept keys."""
    from platformdirs import user_config_path

    return user_config_path("freerouter") / FILE


@forgets_locals
def kept_keys() -> dict[str, str]:
    """Where each kept key is, by variable: "keyring", or the path of the file.

    Raises:
        BadSetting: the file cannot be read.
    """
    path = file_of_keys()
    return {name: KEYRING if key is None else str(path) for name, key in _content(path).items()}


@forgets_locals
def kept_sources() -> tuple[Source, ...]:
    """The kept keys as sources of variables. The keyring is asked when a key is needed.

    Raises:
        BadSetting: the file cannot be read.
    """
    path = file_of_keys()
    content = _content(path)
    if not content:
        return ()
    in_file = {name: key for name, key in content.items() if key is not None}
    names = frozenset(name for name, key in content.items() if key is None)
    return (
        Source(KEYRING, kept=True, values=_Keyring(names, path.stat().st_mtime_ns)),
        Source(str(path), kept=True, values=in_file),
    )


@forgets_locals
def keep(variable: str, key: str) -> str:
    """Keep a key. Returns where it is: "keyring", or the path of the file.

    Raises:
        BadSetting: neither takes it.
    """
    path = file_of_keys()
    content = _content(path)
    in_keyring = _put_into_keyring(variable, key)
    if not in_keyring and content.get(variable, "") is None:
        _delete_from_keyring(variable)
    _write(path, {**content, variable: None if in_keyring else key})
    return KEYRING if in_keyring else str(path)


@forgets_locals
def forget(variable: str) -> bool:
    """Forget a kept key. Returns whether there was one. Raises `BadSetting` if it stays."""
    path = file_of_keys()
    content = _content(path)
    if variable not in content:
        return False
    if content.pop(variable) is None:
        _delete_from_keyring(variable)
    _write(path, content)
    return True


class _Keyring(Mapping[str, str]):
    """The keys of some variables in the keyring, which is asked for each when it is needed."""

    def __init__(self, names: frozenset[str], written: int) -> None:
        self._names, self._written = names, written

    def __getitem__(self, name: str) -> str:
        key = self._key(name) if name in self._names else None
        if key is None:
            raise KeyError(name)
        return key

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def _key(self, name: str) -> str | None:
        place = self._written, name
        if place not in _read:
            try:
                import keyring

                key = _within(READ_TIMEOUT, lambda: keyring.get_password(SERVICE, name))
                problem = "" if key else "it is not there"
            except Exception as error:  # backends raise what they like
                key, problem = None, type(error).__name__
            if problem:
                log.warning("the keyring does not give %s: %s", name, problem)
            _read[place] = key
        return _read[place]


def _content(path: Path) -> dict[str, str | None]:
    """The file's content. Empty if there is none, or if its folder is no place of this user's."""
    try:
        path.stat()
    except OSError:
        return {}
    try:
        content = parse_json(read_bounded(path))
        if not isinstance(content, dict):
            raise TypeError
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise BadSetting(
            f"{path} cannot be read: {type(error).__name__}",
            hint="remove it, and keep your keys again: freerouter keys set",
        ) from None
    return {
        name: key
        for name, key in content.items()
        if isinstance(name, str) and (key is None or (isinstance(key, str) and key))
    }


def _write(path: Path, content: Mapping[str, str | None]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # `mkstemp` makes a file that only its owner may read.
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".keys")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(dict(sorted(content.items())), file, indent=1)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise BadSetting(
            f"{path} cannot be written: {error.strerror}",
            hint="set the key's variable in the environment instead",
        ) from None


def _put_into_keyring(variable: str, key: str) -> bool:
    """Whether the keyring keeps the key. A backend may only seem to."""

    def put() -> bool:
        import keyring

        keyring.set_password(SERVICE, variable, key)
        return keyring.get_password(SERVICE, variable) == key

    try:
        return _within(WRITE_TIMEOUT, put)
    except Exception:  # there is no keyring, it is locked, or its library is not installed
        return False


def _delete_from_keyring(variable: str) -> None:
    def delete() -> None:
        import keyring

        keyring.delete_password(SERVICE, variable)

    try:
        _within(WRITE_TIMEOUT, delete)
    except Exception as error:
        if type(error).__name__ != "PasswordDeleteError":  # it is gone already
            raise BadSetting(
                f"the keyring does not forget {variable}: {type(error).__name__}",
                hint="unlock it, and try again",
            ) from None


def _within(seconds: float, call: Callable[[], T]) -> T:
    """The result of a call on a thread of its own. Raises what it raises, or `TimeoutError`."""
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(call())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not results:
        raise TimeoutError
    return results[0]
