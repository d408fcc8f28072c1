"""`redis_problem`: why a job in Redis cannot be used, in words that show no password."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from ...errors import BadSetting, FreeRouterError, JobFailed, forgets_locals, shown_name

_PORT = 6379


@forgets_locals  # an address may hold a password
def shown_server(url: str) -> str:
    """Where a URL of Redis leads: without user, password and options."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "localhost", parts.port or _PORT
    except ValueError:
        return "an address that is none"
    if parts.scheme == "unix":
        return parts.path
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@forgets_locals
def shown_location(location: str) -> str:
    """A job's location as a message may show it: a user and password are "…"."""
    address, mark, name = location.partition("#")
    if "://" not in address:
        return shown_name(location)
    scheme, _, rest = address.partition("://")
    host = rest.partition("?")[0]
    secret, at, host = host.rpartition("@")
    return f"{scheme}://{'…' if secret else ''}{at}{host}{mark}{shown_name(name)}"


@forgets_locals
def redis_problem(client: Any, error: Exception, url: str, name: str) -> FreeRouterError:
    """The error that the client's `error` means. `client`: the module `redis`.

    What the client says itself is not quoted: it may hold the password.
    """
    server, known = shown_server(url), client.exceptions
    if isinstance(error, known.BusyLoadingError):
        return JobFailed(
            f"the Redis server at {server} is still loading its data", hint="try again in a minute"
        )
    if isinstance(error, (known.AuthenticationError, known.AuthorizationError)):
        return _refused(
            f"the Redis server at {server} refused the user or the password",
            f"write them in the address: redis://user:password@host:6379/0#{shown_name(name)}",
        )
    if isinstance(error, known.NoPermissionError):
        return _refused(
            f"the Redis server at {server} permits this user less than a job needs",
            f"permit it scripts, and the keys freerouter:{{job:{shown_name(name)}}}:*",
        )
    if isinstance(error, known.InvalidResponse):
        return _refused(
            f"what answers at {server} is no Redis server", "correct the address of the job"
        )
    if isinstance(error, (known.ConnectionError, known.TimeoutError, OSError)):
        return JobFailed(
            f"the Redis server at {server} cannot be reached, or does not answer",
            hint="start it, or correct the address of the job; what was committed is kept",
        )
    if isinstance(error, known.ReadOnlyError):
        return _refused(
            f"the Redis server at {server} is a copy, and cannot be written",
            "name the server that it copies",
        )
    if isinstance(error, known.OutOfMemoryError):
        return JobFailed(
            f"the Redis server at {server} has no memory left",
            hint="free some, or raise its maxmemory; then go on: what was committed is kept",
        )
    if "DB index" in str(error):
        return _refused(
            f"the Redis server at {server} has no database of that number",
            "the number stands after the host: redis://host:6379/0#name",
        )
    return JobFailed(f"the job {name!r} in Redis at {server}: {type(error).__name__}")


def bad_address() -> BadSetting:
    """The error for a URL that the client cannot read."""
    return BadSetting(
        "the address of the job in Redis makes no sense",
        hint="write it as redis://host:6379/0#name",
    )


def _refused(message: str, hint: str) -> JobFailed:
    """An error that no other try mends."""
    return JobFailed(message, hint=hint, should_retry=False)
