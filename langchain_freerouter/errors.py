"""The core's errors for LangChain: each is the core's own class and the matching `ModelError`.

`ModelRetryMiddleware` retries every error that is no `ModelError`. So every error that leaves
`ChatFreeRouter` is one, with the right `is_retryable`.
"""

from __future__ import annotations

from collections.abc import Sequence
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
    """Every candidate is gone, or never existed."""


class TimedOut(core.Exhausted, lc.ModelTimeoutError):
    """Every candidate took too long."""


class Unreachable(core.Exhausted, lc.ModelConnectionError):
    """No candidate could be reached, or every connection broke."""


class Unwilling(core.Exhausted, lc.ModelInvalidRequestError):
    """Every candidate refused the request as it was."""


class DeadlineExceeded(core.DeadlineExceeded, lc.ModelTimeoutError):
    """`timeout` ran out before an answer."""


class StreamBroken(core.StreamBroken, lc.ModelAPIError):
    """The stream ended after text had been shown."""


class _Never(ModelError):
    """Stands in for `ModelRefusalError`, which langchain-core has since 1.7.5."""


if TYPE_CHECKING:
    _Refusal = _Never
else:
    _Refusal = getattr(lc, "ModelRefusalError", _Never)


class Refused(core.Refused, _Refusal, lc.ModelPermissionDeniedError):
    """The content was refused."""

    raw_message: None = None
    """LangChain's field for the message that refused. Several models refused, so there is no one
    message."""


class CatalogueUnavailable(core.CatalogueUnavailable, lc.ModelConnectionError):
    """The list of models could not be fetched."""


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


class as_model_errors:  # noqa: N801  # used as a function
    """Raise the core's errors as the matching `ModelError`, and errors in converting odd input as
    `BadRequest`.

    A class, because every call enters it: a generator would cost three times as much.
    """

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> None:
        if isinstance(error, core.FreeRouterError):
            raise as_model_error(error) from None
        if not isinstance(error, _ODD_INPUT) or isinstance(error, ModelError):
            return
        raise BadRequest(
            f"the request cannot be put on the wire: {type(error).__name__}: {error}",
            hint="check messages and options",
        ) from error


_ODD_INPUT = (ValueError, TypeError, KeyError, AttributeError)


def as_model_error(error: core.FreeRouterError) -> core.FreeRouterError:
    """The same error as the matching `ModelError`. Its `is_retryable` is the error's
    `should_retry`."""
    if isinstance(error, ModelError):
        return error
    kind = next(match for base, match in _MATCHES if isinstance(error, base))
    if kind is Exhausted:
        kind = RateLimited if error.rate_limited else _exhausted(error.attempts)
    model_error = kind.__new__(kind, error.message)
    model_error.args = error.args
    model_error.__dict__.update(error.__dict__, is_retryable=error.should_retry)
    return model_error.with_traceback(error.__traceback__)


def _exhausted(attempts: Sequence[core.AttemptRecord]) -> type[core.Exhausted]:
    """The class for what all attempts have in common."""
    from freerouter_core.wire.fault import Kind

    faults = {attempt["fault"] for attempt in attempts}
    if faults == {Kind.BUSY} and all(attempt["status"] is None for attempt in attempts):
        return Unreachable
    kinds: dict[str, type[core.Exhausted]] = {
        Kind.GONE: Gone,
        Kind.SLOW: TimedOut,
        Kind.UNFIT: Unwilling,
    }
    return kinds.get(str(next(iter(faults))), Exhausted) if len(faults) == 1 else Exhausted
