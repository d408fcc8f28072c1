"""`RequestGuards`: runs the guards of one request."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from ..catalogue.providers import Account
from ..errors import BadRequest, DeadlineExceeded, Refused
from ..routing.ruling import Flag, Ruling
from ..wire.answer import Answer
from ..wire.redact import redact
from ..wire.request import ChatRequest
from .base import ChatClient, Exchange, GuardLike, Verdict, name_of

MAX_REASON = 300
"""Characters of an error that a guard raised."""
RunOnThread = Callable[[Callable[[], Ruling]], Awaitable[Ruling]]


class RequestGuards:
    """The guards of one request.

    Args:
        guards: the guards, in the order they judge.
        client: what they may ask models through.
        request: the request.
        accounts: the accounts whose keys must not show in what guards say.

    Raises:
        BadRequest: the messages cannot be copied.
    """

    def __init__(
        self,
        guards: Sequence[GuardLike],
        client: ChatClient,
        request: ChatRequest,
        accounts: Iterable[Account],
    ) -> None:
        self._guards, self._client, self._accounts = guards, client, tuple(accounts)
        self._prompt_ruling = Ruling()
        try:
            self._messages = copy.deepcopy(request.messages)  # a guard may change its own copy
        except Exception as error:
            problem = f"{type(error).__name__}: {error}"
            raise BadRequest(
                f"the messages cannot be copied for the guards: {problem}",
                hint="messages must be plain data",
            ) from None

    async def check_prompt(
        self, run_on_thread: RunOnThread, max_seconds: float | None
    ) -> tuple[Flag, ...]:
        """The flags of the guards that judge prompts.

        Raises:
            Refused: a guard rejected the prompt.
            DeadlineExceeded: the guards took longer than `max_seconds`.
        """
        if not any(getattr(guard, "on_prompt", False) for guard in self._guards):
            return ()
        try:
            async with asyncio.timeout(max_seconds):
                ruling = await run_on_thread(lambda: self._judge(None, ""))
        except TimeoutError:
            message = f"the guards of the prompt took longer than {max_seconds:g} s"
            raise DeadlineExceeded(message) from None
        if ruling.refused is not None:
            raise Refused(ruling.refused, hint="a guard refused the prompt; nothing was sent")
        self._prompt_ruling = ruling
        return ruling.flags

    @property
    def answer_check(self) -> Callable[[Answer, str], Ruling] | None:
        """What judges an answer of a model. None: answers can be shown as they come."""
        judges = any(getattr(guard, "on_answer", True) for guard in self._guards)
        return self._check_answer if judges or self._prompt_ruling.prepend else None

    def _check_answer(self, answer: Answer, model: str) -> Ruling:
        ruling = self._judge(answer, model)
        prepend = _paragraphs([self._prompt_ruling.prepend, ruling.prepend])
        return replace(ruling, prepend=prepend)

    def _judge(self, answer: Answer | None, model: str) -> Ruling:
        ruling = rule(self._guards, Exchange(self._messages, answer, model, self._client))
        return replace(
            ruling,
            refused=None if ruling.refused is None else self._redact(ruling.refused),
            flags=tuple(replace(flag, reason=self._redact(flag.reason)) for flag in ruling.flags),
            prepend=self._redact(ruling.prepend),
        )

    def _redact(self, text: str) -> str:
        for account in self._accounts:
            text = redact(text, account)
        return text


def rule(guards: Iterable[GuardLike], exchange: Exchange) -> Ruling:
    """What all guards say together. The first one that rejects ends it."""
    flags: list[Flag] = []
    prepend: list[str] = []
    for guard in guards:
        if not _judges(guard, exchange):
            continue
        verdict, sure = _ask(guard, exchange)
        if verdict.action == "reject":
            reason = f"{name_of(guard)}: {verdict.reason}".rstrip(": ")
            return Ruling(reason, tuple(flags), unsure=not sure)
        if verdict.action == "flag":
            flags.append(Flag(name_of(guard), verdict.reason, not sure))
        prepend.append(verdict.prepend)
    unsure = any(flag.unsure for flag in flags)
    return Ruling(None, tuple(flags), _paragraphs(prepend), unsure)


def _judges(guard: GuardLike, exchange: Exchange) -> bool:
    if exchange.answer is None:
        return bool(getattr(guard, "on_prompt", False))
    return bool(getattr(guard, "on_answer", True))


def _ask(guard: GuardLike, exchange: Exchange) -> tuple[Verdict, bool]:
    """(the verdict, whether the guard gave it). If it raises, `when_unsure` is the verdict."""
    judge: Any = getattr(guard, "judge", guard)  # users' own code: nothing is sure about it
    try:
        verdict = judge(exchange)
    except BaseException as error:  # on a thread of its own: not even SystemExit ends the request
        reason = f"could not judge: {type(error).__name__}: {error}"[:MAX_REASON]
        strict = getattr(guard, "when_unsure", "flag") == "reject"
        return Verdict("reject" if strict else "flag", reason), False
    if isinstance(verdict, Verdict):
        return verdict, True
    if verdict is None or verdict is True:
        return Verdict(), True
    return Verdict("reject", verdict if isinstance(verdict, str) else ""), True


def _paragraphs(parts: Iterable[str]) -> str:
    return "\n\n".join(part for part in parts if part)
