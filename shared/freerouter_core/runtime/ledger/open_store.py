"""`open_store`: the store that FREEROUTER_STATE names."""

from __future__ import annotations

from pathlib import Path

from ...errors import BadSetting, forgets_locals, shown_name
from .store import Store


@forgets_locals  # an address may hold a password
def open_store(url: str) -> Store | None:
    """The store for a value of FREEROUTER_STATE. Opens no file and no connection yet.

    "sqlite": a file in the user's state directory; "sqlite:///path": that file; "redis://…",
    "rediss://…" or "unix://…": a Redis server; "memory": None. Raises `BadSetting` for others.
    """
    if url == "memory":
        return None
    if url == "sqlite" or url.startswith("sqlite:///"):
        from .sqlite import DEFAULT_NAME, SqliteStore

        if url != "sqlite":
            return SqliteStore(Path(url.removeprefix("sqlite:///")).expanduser())
        from platformdirs import user_state_path

        return SqliteStore(user_state_path("freerouter") / DEFAULT_NAME)
    if url.startswith(("redis://", "rediss://", "unix://")):
        from .redis import RedisStore

        return RedisStore(url)
    scheme = url.partition(":")[0]
    raise BadSetting(
        f"FREEROUTER_STATE={shown_name(scheme)}… is not a known store",
        hint='"sqlite", "sqlite:///path", "redis://host:port/0" or "memory"',
    )
