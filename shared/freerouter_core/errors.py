"""Every error this package raises, as one tree.

    FreeRouterError
    ├── BadSetting              an argument or variable makes no sense (also a ValueError)
    ├── BadRequest              the request itself is wrong; no model would take it
    │   └── ContextTooLong      the prompt fits no candidate's context window
    ├── NoCandidates            no model can do what was asked for; `skipped` says why
    ├── Exhausted               every candidate failed or waits; `attempts`, `retry_after`
    ├── DeadlineExceeded        `timeout` ran out before an answer (also a TimeoutError)
    ├── StreamBroken            the stream failed after text was shown; `partial` holds it
    ├── AuthenticationFailed    a key is missing or was refused
    ├── Refused                 a provider's policy or a guard refused the content
    ├── CatalogueUnavailable    no list of models could be fetched, and there is no copy
    └── MissingExtra            an optional dependency is not installed (also an ImportError)

Each has a `hint`, which says what to do, and a `model`. `status_code` is the HTTP status that
decided, or None. `should_retry` says that the same call may work later, `rate_limited` that a
limit was the cause. No error ever holds a key.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypedDict, TypeVar, Unpack, cast

_LIKE_A_KEY = re.compile(
    r"\b(?:sk-[A-Za-z0-9_\-]{6,}"
    r"|(?:gsk|hf|xai|csk|tgp|r8|ghp|github_pat)_[A-Za-z0-9_]{8,}"
    r"|(?:xai|csk|nvapi|pplx)-[A-Za-z0-9_\-]{8,}"
    r"|AIza[A-Za-z0-9_\-]{16,}"
    r"|AKIA[A-Z0-9]{12,}"
    r"|eyJ[A-Za-z0-9_\-]{10,}\.[A-Za-z0-9_\-.]{10,})"
    r"|(?<=[Bb]earer )[A-Za-z0-9._\-]{6,}"
)
_USERINFO = re.compile(r"(?<=://)[^/?#\s@]+@")


_MARKS = (
    "sk-", "gsk_", "hf_", "xai", "csk", "tgp_", "r8_", "ghp_", "github_pat_", "nvapi-", "pplx-",
    "AIza", "AKIA", "eyJ", "earer ",
)  # fmt: skip
"""One of these is in every text that the pattern matches. Looking for them costs less."""


_ADDRESS = "://"
_MAX_MARKS = 5_000
"""Places in one text that are looked at. A text with more is hostile, and matching would stop the
loop."""
_REMOVED = "[removed: too much in it looks like keys]"


def hide_keys(text: str) -> str:
    """`text` without what looks like a key, and without the user and password of an address."""
    marks, left = [], _MAX_MARKS
    for mark in (*_MARKS, _ADDRESS):
        count = text.count(mark)
        if count:
            marks.append(mark)
            left -= count
            if left < 0:
                return _REMOVED
    if not marks:
        return text
    addressed = marks[-1] == _ADDRESS and "@" in text
    text = _without_keys(text, marks)
    return _USERINFO.sub("[key]@", text) if addressed else text


def _without_keys(text: str, marks: Sequence[str]) -> str:
    """A key begins with its mark, or after it ("Bearer "), so the pattern is tried there only."""
    begins = sorted(
        at + len(mark) if mark.endswith(" ") else at for mark in marks for at in _places(text, mark)
    )
    kept, end = [], 0
    for begin in begins:
        match = _LIKE_A_KEY.match(text, begin) if begin >= end else None
        if match is not None:
            kept += [text[end:begin], "[key]"]
            end = match.end()
    return "".join([*kept, text[end:]])


def _places(text: str, part: str) -> Iterator[int]:
    at = text.find(part)
    while at >= 0:
        yield at
        at = text.find(part, at + 1)


def like_a_key(text: str) -> bool:
    """Whether a text that should be a name is probably a key that was pasted in its place."""
    digits = sum(letter.isdigit() for letter in text)
    a_word = len(text) >= 20 and digits >= 4 and not any(mark in text for mark in "/: ")
    return a_word or hide_keys(text) != text


def names_a_key(value: object) -> bool:
    """Whether a name, or one of several, has the shape of a key, or holds a password."""
    names = value if isinstance(value, (list, tuple)) else (value,)
    return any(isinstance(name, str) and hide_keys(name) != name for name in names)


def shown_name(name: str) -> str:
    """A name as a message may show it."""
    return "[hidden: it looks like a key]" if like_a_key(name) else name


def shown_value(value: object) -> str:
    """A wrong value as a message may show it: words and numbers; of all else its type."""
    if isinstance(value, str):
        return repr(shown_name(value))
    return repr(value) if value is None or isinstance(value, (int, float)) else type(value).__name__


F = TypeVar("F", bound=Callable[..., Any])


def forgets_locals(call: F) -> F:
    """Let no error of `call` carry its local variables, nor those of what it calls.

    It is for what handles keys in the open. Many tools show the locals of every frame of a
    traceback: rich, Sentry, pytest. The message and the hint of such an error say all that helps.
    """

    @functools.wraps(call)
    def clean(*args: Any, **kwargs: Any) -> Any:
        try:
            return call(*args, **kwargs)
        except (FreeRouterError, ValueError, TypeError, AttributeError) as error:
            failed = error.with_traceback(None)
        del args, kwargs
        failed.__context__ = None  # its frames would be reachable from here
        raise failed from None

    return cast("F", clean)


K = TypeVar("K", bound=type[Any])


def construction_forgets_locals(kind: K) -> K:
    """The class, whose constructor lets no error carry its arguments: see `forgets_locals`."""
    setattr(kind, "__init__", forgets_locals(vars(kind)["__init__"]))  # noqa: B010
    return kind


class AttemptRecord(TypedDict):
    """One attempt, as metadata and `Exhausted.attempts` show it."""

    model: str
    provider: str
    fault: str | None
    """How it failed ("busy", "account", …). None: it answered."""
    status: int | None
    """The HTTP status. None: no response came."""
    seconds: float


class ErrorDetails(TypedDict, total=False):
    """The arguments that every error takes."""

    hint: str | None
    status_code: int | None
    model: str | None
    should_retry: bool | None
    rate_limited: bool | None
    attempts: Sequence[AttemptRecord]


class FreeRouterError(Exception):
    """The root of the tree: catch it to catch everything the package raises."""

    default_hint = ""
    should_retry = False
    rate_limited = False
    trace: object = None
    """The attempts with their times, as observers get them; None: no request was begun."""

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
        message = hide_keys(message)  # a key may be pasted where any other value belongs
        super().__init__(message)
        self.message = message
        self.hint = self.default_hint if hint is None else hide_keys(hint)
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
        # Pickle would call the class without its keyword-only arguments. They are in `__dict__`.
        return _rebuild, (type(self), self.message, self.__dict__.copy())


def _rebuild(kind: type[FreeRouterError], message: str, state: dict[str, Any]) -> FreeRouterError:
    error = kind.__new__(kind, message)
    error.args = (message,)
    error.__dict__.update(state)
    return error


class BadSetting(FreeRouterError, ValueError):
    """An argument or an environment variable makes no sense."""


class BadRequest(FreeRouterError):
    """The request itself is wrong: by our own check, or because models agreed that it is.

    The default hint is for our own checks, whose messages say what would be right.
    """

    default_hint = "correct it and ask again; no model was asked"


class ContextTooLong(BadRequest):
    """The prompt fits no candidate's context window."""

    default_hint = "shorten the prompt, or name a model with a larger context window"


class NoCandidates(FreeRouterError):
    """No model can do what was asked for.

    `skipped`: why not, by model.
    """

    default_hint = (
        "ask for less, or widen the choice: fallback_models=None, more providers, allow_paid=True"
    )

    def __init__(
        self,
        message: str,
        *,
        skipped: Mapping[str, str] | None = None,
        **details: Unpack[ErrorDetails],
    ) -> None:
        super().__init__(message, **details)
        self.skipped = dict(skipped or {})


class Exhausted(FreeRouterError):
    """Every candidate failed or waits for a limit.

    `retry_after`: seconds until a candidate can be asked again; None: not known. `answer`: the last
    whole answer that was rejected for its content (a `freerouter_core.Answer`), if there was one.
    """

    should_retry = True

    def __init__(
        self,
        message: str,
        *,
        retry_after: float | None = None,
        answer: Any = None,
        **details: Unpack[ErrorDetails],
    ) -> None:
        super().__init__(message, **details)
        self.retry_after = retry_after
        self.answer = answer


class DeadlineExceeded(FreeRouterError, TimeoutError):
    """`timeout` ran out before an answer."""

    should_retry = True
    default_hint = "allow more time with timeout=…, or lower max_tokens"


class StreamBroken(FreeRouterError):
    """The stream failed after text was shown. `partial` is that text.

    `answer`: the whole answer (a `freerouter_core.Answer`), if it came and was not what was asked
    for.
    """

    should_retry = True
    default_hint = "the text so far is in .partial; ask again for the rest"

    def __init__(
        self,
        message: str,
        *,
        partial: str = "",
        answer: Any = None,
        **details: Unpack[ErrorDetails],
    ) -> None:
        super().__init__(message, **details)
        self.partial = partial
        self.answer = answer


class AuthenticationFailed(FreeRouterError):
    """A key is missing or was refused."""

    default_hint = (
        "set OPENROUTER_API_KEY or pass api_key=…; a key is free at https://openrouter.ai/keys"
    )


class Refused(FreeRouterError):
    """A provider's policy or a guard refused the content."""

    default_hint = "change the prompt; its message says who refused it"


class CatalogueUnavailable(FreeRouterError):
    """No list of models could be fetched, and there is no copy of one."""

    should_retry = True
    default_hint = "check the network and base_url, or name a model, which needs no list"


class JobFailed(FreeRouterError):
    """A bulk job cannot go on: its file or server failed, or too many rows failed in a row."""

    should_retry = True
    default_hint = "what was committed is kept; open the job again to go on"


class MissingExtra(FreeRouterError, ImportError):
    """An optional dependency is not installed."""
