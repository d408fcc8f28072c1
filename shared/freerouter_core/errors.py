"""Every error this package raises, as one tree.

    FreeRouterError
    ├── BadSetting              a constructor argument or environment variable makes no sense (also a ValueError)
    ├── BadRequest              the request itself is wrong; no model would take it
    │   └── ContextTooLong      the prompt fits no candidate's context window
    ├── NoCandidates            no model can do what was asked for; `skipped` says why, model by model
    ├── Exhausted               candidates there were, and each failed; `attempts` and `retry_after`
    ├── DeadlineExceeded        `timeout` ran out before an answer (also a TimeoutError)
    ├── StreamBroken            the stream ended after text had been shown; `partial` holds it
    ├── AuthenticationFailed    a key is missing or was refused
    ├── Refused                 the content was refused by policy or by a guard
    ├── CatalogueUnavailable    the list of models could not be had, and no copy is kept
    └── MissingExtra            an optional dependency is not installed (also an ImportError)

Each carries `hint` (what to do about it), `status_code` (the HTTP status that decided, or None), `model`,
`should_retry` (the same call may work later) and `rate_limited`. No error ever holds a key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict


class AttemptRecord(TypedDict):
    """What became of one attempt, as it stands in metadata and in `Exhausted.attempts`."""

    model: str
    provider: str
    fault: str | None
    """A name of the fault table ("busy", "account", ...), or None for the attempt that answered."""
    status: int | None
    """The HTTP status, or None when no response came."""
    seconds: float


class FreeRouterError(Exception):
    """The root: catch this to catch everything the package raises."""

    default_hint = ""
    should_retry = False
    rate_limited = False

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        status_code: int | None = None,
        model: str | None = None,
        should_retry: bool | None = None,
        rate_limited: bool | None = None,
        attempts: Sequence[AttemptRecord] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = self.default_hint if hint is None else hint
        self.status_code = status_code
        self.model = model
        self.attempts = list(attempts)
        if should_retry is not None:
            self.should_retry = should_retry
        if rate_limited is not None:
            self.rate_limited = rate_limited

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message

    def __reduce__(self) -> tuple[Any, ...]:
        # Keyword-only arguments defeat the default reduction; the state is all in __dict__.
        return _rebuild, (type(self), self.message, self.__dict__.copy())


def _rebuild(kind: type[FreeRouterError], message: str, state: dict[str, Any]) -> FreeRouterError:
    error = kind.__new__(kind, message)
    error.args = (message,)
    error.__dict__.update(state)
    return error


class BadSetting(FreeRouterError, ValueError):
    """A constructor argument or environment variable makes no sense."""


class BadRequest(FreeRouterError):
    """The request itself is wrong: two models, or the gateway itself, said so."""

    default_hint = "correct the request; another model will not accept it either"


class ContextTooLong(BadRequest):
    """The prompt fits no candidate's context window."""

    default_hint = "shorten the prompt, or name a model with a larger context window"


class NoCandidates(FreeRouterError):
    """No model can do what was asked for."""

    default_hint = (
        "ask for less, or widen the choice: fallback_models=None, more providers, allow_paid=True"
    )

    def __init__(
        self, message: str, *, skipped: Mapping[str, str] | None = None, **details: Any
    ) -> None:
        super().__init__(message, **details)
        self.skipped = dict(skipped or {})


class Exhausted(FreeRouterError):
    """Candidates there were, and each failed or is waiting out a limit.

    `retry_after`: seconds until the earliest candidate returns, or None when none is known to. `answer`: the last answer (a
    `freerouter_core.Answer`) that came whole and was rejected for its content, if one did.
    """

    should_retry = True

    def __init__(
        self, message: str, *, retry_after: float | None = None, answer: Any = None, **details: Any
    ) -> None:
        super().__init__(message, **details)
        self.retry_after = retry_after
        self.answer = answer


class DeadlineExceeded(FreeRouterError, TimeoutError):
    """`timeout` ran out before an answer."""

    should_retry = True
    default_hint = "allow more time with timeout=…, or lower max_tokens"


class StreamBroken(FreeRouterError):
    """The stream ended after text had been shown; `partial` is that text."""

    should_retry = True
    default_hint = "the shown text is in .partial; ask again for the rest"

    def __init__(
        self, message: str, *, partial: str = "", answer: Any = None, **details: Any
    ) -> None:
        """`answer`: the whole answer, where what was shown turned out not to be what was asked for."""
        super().__init__(message, **details)
        self.partial = partial
        self.answer = answer


class AuthenticationFailed(FreeRouterError):
    """A key is missing or was refused."""

    default_hint = "set OPENROUTER_API_KEY or pass api_key=…; a key costs nothing at https://openrouter.ai/keys"


class Refused(FreeRouterError):
    """The content was refused by a provider's policy or by a guard."""

    default_hint = "change the prompt; more than one model refused it"


class CatalogueUnavailable(FreeRouterError):
    """The list of models could not be had, and no copy is kept."""

    should_retry = True
    default_hint = "check the network and base_url, or name a model so that none need be discovered"


class MissingExtra(FreeRouterError, ImportError):
    """An optional dependency is not installed."""
