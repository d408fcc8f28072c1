"""The core's errors as LangChain knows them: each is itself, and the matching `ModelError`.

`ModelRetryMiddleware` retries whatever is no `ModelError`, so that every error that leaves `ChatFreeRouter` must be one, with
the right `is_retryable`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from langchain_core import exceptions as lc
from langchain_core.exceptions import ModelError

from freerouter_core import errors as core


class AuthenticationFailed(core.AuthenticationFailed, lc.ModelAuthenticationError):
    """A key is missing or was refused."""


class BadRequest(core.BadRequest, lc.ModelInvalidRequestError):
    """The request itself is wrong."""


class ContextTooLong(core.ContextTooLong, lc.ContextOverflowError):
    """The prompt fits no candidate's context window."""


class NoCandidates(core.NoCandidates, lc.ModelNotFoundError):
    """No model can do what was asked for."""


class RateLimited(core.Exhausted, lc.ModelRateLimitError):
    """Every candidate is waiting out a limit."""


class Exhausted(core.Exhausted, lc.ModelAPIError):
    """Every candidate failed."""


class Gone(core.Exhausted, lc.ModelNotFoundError):
    """Every candidate is gone, or was never there."""


class TimedOut(core.Exhausted, lc.ModelTimeoutError):
    """Every candidate took too long."""


class Unreachable(core.Exhausted, lc.ModelConnectionError):
    """No candidate could be reached, or none stayed on the line."""


class Unwilling(core.Exhausted, lc.ModelInvalidRequestError):
    """Every candidate refused the request as it was."""


class DeadlineExceeded(core.DeadlineExceeded, lc.ModelTimeoutError):
    """`timeout` ran out before an answer."""


class StreamBroken(core.StreamBroken, lc.ModelAPIError):
    """The stream ended after text had been shown."""


class _Never(ModelError):
    """Stands where langchain-core has no error of its own for refusals yet (before 1.7.5)."""


if TYPE_CHECKING:
    _Refusal = _Never
else:
    _Refusal = getattr(lc, "ModelRefusalError", _Never)


class Refused(core.Refused, _Refusal, lc.ModelPermissionDeniedError):
    """The content was refused."""

    raw_message: None = None
    """LangChain's word for the message that refused; several models did, each in its own."""


class CatalogueUnavailable(core.CatalogueUnavailable, lc.ModelConnectionError):
    """The list of models could not be had."""


class BadSetting(core.BadSetting, lc.ModelInvalidRequestError):
    """An argument or environment variable makes no sense."""


class Failed(core.FreeRouterError, ModelError):
    """Anything else the core raises."""


_MATCHES: tuple[tuple[type[core.FreeRouterError], type[core.FreeRouterError]], ...] = (
    (core.AuthenticationFailed, AuthenticationFailed),
    (core.ContextTooLong, ContextTooLong),
    (core.BadRequest, BadRequest),
    (core.NoCandidates, NoCandidates),
    (core.Exhausted, Exhausted),
    (core.DeadlineExceeded, DeadlineExceeded),
    (core.StreamBroken, StreamBroken),
    (core.Refused, Refused),
    (core.CatalogueUnavailable, CatalogueUnavailable),
    (core.BadSetting, BadSetting),
    (core.FreeRouterError, Failed),
)


@contextmanager
def as_model_errors() -> Iterator[None]:
    """What the core raises within leaves as the matching `ModelError`; so does what a conversion of odd input raises."""
    try:
        yield
    except core.FreeRouterError as error:
        raise as_model_error(error) from None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        if isinstance(error, ModelError):
            raise
        words = f"{type(error).__name__}: {error}"
        raise BadRequest(
            f"the request cannot be put on the wire: {words}", hint="check messages and options"
        ) from error


def as_model_error(error: core.FreeRouterError) -> core.FreeRouterError:
    """The same error, as the matching `ModelError`, with its `is_retryable` saying what `should_retry` says."""
    if isinstance(error, ModelError):
        return error
    kind = next(match for base, match in _MATCHES if isinstance(error, base))
    if kind is Exhausted:
        kind = RateLimited if error.rate_limited else _exhausted(error.attempts)
    made = kind.__new__(kind, error.message)
    made.args = error.args
    made.__dict__.update(error.__dict__, is_retryable=error.should_retry)
    return made.with_traceback(error.__traceback__)


def _exhausted(attempts: Sequence[core.AttemptRecord]) -> type[core.Exhausted]:
    """What all attempts have in common."""
    faults = {attempt["fault"] for attempt in attempts}
    if faults == {"busy"} and all(attempt["status"] is None for attempt in attempts):
        return Unreachable
    kinds: dict[str, type[core.Exhausted]] = {"gone": Gone, "slow": TimedOut, "unfit": Unwilling}
    return kinds.get(str(next(iter(faults))), Exhausted) if len(faults) == 1 else Exhausted
