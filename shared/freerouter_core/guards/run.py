"""Runs guards: what they all say together of a prompt or an answer."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from ..catalogue.providers import Account
from ..errors import BadRequest, DeadlineExceeded, Refused
from ..routing.steps import Flag, Ruling
from ..wire.answer import Answer
from ..wire.redact import redact
from ..wire.request import ChatRequest
from .base import ChatClient, Exchange, GuardLike, Verdict, name_of


def rule(guards: Iterable[GuardLike], exchange: Exchange) -> Ruling:
    """What all guards together say: the first rejection ends it."""
    flags: list[Flag] = []
    prepend: list[str] = []
    wanted = "on_prompt" if exchange.answer is None else "on_answer"
    for guard in guards:
        if not getattr(guard, wanted, wanted == "on_answer"):
            continue
        verdict, sure = _ask(guard, exchange)
        if verdict.action == "reject":
            words = f"{name_of(guard)}: {verdict.reason}".rstrip(": ")
            return Ruling(words, tuple(flags), unsure=not sure)
        if verdict.action == "flag":
            flags.append(Flag(name_of(guard), verdict.reason, not sure))
        if verdict.prepend:
            prepend.append(verdict.prepend)
    return Ruling(None, tuple(flags), "\n\n".join(prepend), any(flag.unsure for flag in flags))


def _ask(guard: GuardLike, exchange: Exchange) -> tuple[Verdict, bool]:
    """A guard's verdict, and whether it is one: what fails is `when_unsure`."""
    judge: Any = getattr(guard, "judge", guard)
    try:
        said = judge(exchange)
    except (
        BaseException
    ) as error:  # on a thread of its own: whatever ends that must not end the request
        words = f"could not judge: {type(error).__name__}: {error}"[:300]
        strict = getattr(guard, "when_unsure", "flag") == "reject"
        return Verdict("reject" if strict else "flag", words), False
    if isinstance(said, Verdict):
        return said, True
    if said is None or said is True:
        return Verdict(), True
    return Verdict("reject", said if isinstance(said, str) else ""), True


async def prepared(
    guards: Sequence[GuardLike],
    client: ChatClient,
    request: ChatRequest,
    accounts: Iterable[Account],
    elsewhere: Callable[[Callable[[], Ruling]], Awaitable[Ruling]],
    within: float | None,
) -> tuple[Callable[[Answer, str], Ruling] | None, tuple[Flag, ...]]:
    """What judges the answers to a request, and what was remarked about its prompt. `elsewhere` runs guards on a thread of their own;
    `within`: seconds they have. Raises `Refused` where a guard will not have it asked, `DeadlineExceeded`."""
    if not guards:
        return None, ()
    known = tuple(accounts)
    try:
        messages = copy.deepcopy(request.messages)  # theirs to change, if they must
    except Exception as error:
        words = f"the messages cannot be copied for the guards: {type(error).__name__}: {error}"
        raise BadRequest(words, hint="messages must be plain data") from None

    def told(words: str) -> str:
        """Without keys: a guard may have any of them."""
        for account in known:
            words = redact(words, account)
        return words

    def judge(answer: Answer | None, model: str) -> Ruling:
        ruling = rule(guards, Exchange(messages, answer, model, client))
        flags = tuple(replace(flag, reason=told(flag.reason)) for flag in ruling.flags)
        refused = None if ruling.refused is None else told(ruling.refused)
        return replace(ruling, refused=refused, flags=flags, prepend=told(ruling.prepend))

    first = Ruling()
    if any(getattr(guard, "on_prompt", False) for guard in guards):
        try:
            async with asyncio.timeout(within):
                first = await elsewhere(lambda: judge(None, ""))
        except TimeoutError:
            raise DeadlineExceeded(
                f"the guards of the prompt took longer than {within:g} s"
            ) from None
        if first.refused is not None:
            raise Refused(first.refused, hint="a guard refused the prompt; nothing was sent")
    if not (first.prepend or any(getattr(guard, "on_answer", True) for guard in guards)):
        return None, first.flags

    def both(answer: Answer, model: str) -> Ruling:
        then = judge(answer, model)
        words = [part for part in (first.prepend, then.prepend) if part]
        return replace(then, prepend="\n\n".join(words))

    return both, first.flags
