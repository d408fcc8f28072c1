"""`Memory`: the conversations of the shell, as far as they are kept at all."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence

from rich.markup import escape

from ...errors import BadSetting, shown_name
from ...routing.plan import Outcome
from ...settings.environment import Settings
from ...wire.json_values import Json
from .console import console
from .conversation_log import ConversationLog, Exchange


class Memory:
    """Keeps exchanges. One that cannot be kept costs nobody an answer: a line says so, once."""

    def __init__(self, log: ConversationLog) -> None:
        self._log = log
        self._told = False

    def add(self, exchange: Exchange) -> None:
        """Keep an exchange."""
        try:
            self._log.add(exchange)
        except (OSError, ValueError, sqlite3.Error) as error:
            if not self._told:
                reason = getattr(error, "strerror", None) or error
                console(stderr=True).print(
                    f"[dim]not kept in freerouter logs: {escape(str(reason))}[/]"
                )
            self._told = True


def open_memory() -> Memory | None:
    """Where exchanges are kept. None: FREEROUTER_LOGS turns that off."""
    return Memory(ConversationLog()) if Settings.load().freerouter_logs else None


def find_conversation(name: str | None, *, goes_on: bool) -> Sequence[Exchange]:
    """The exchanges of the conversation that is to go on. Empty: a new one begins.

    Raises:
        BadSetting: there is no such conversation.
    """
    if name is None and not goes_on:
        return ()
    log = ConversationLog()
    try:
        name = name or log.newest_conversation()
        found = log.last(None, conversation=name) if name else []
    except sqlite3.Error as error:
        raise BadSetting(f"{log.path} cannot be read: {error}", hint="move it away") from None
    if not found:
        which = f"is called {shown_name(name)}" if name else "was kept"
        raise BadSetting(f"no conversation {which}", hint="freerouter logs shows them")
    return found


def exchange_of(
    conversation: str,
    began: float,
    asked: str,
    system: str,
    content: str | list[Json],
    outcome: Outcome,
) -> Exchange:
    """What is kept of an answer. `began`: when it was asked, in unix seconds."""
    answer = outcome.answer
    usage = answer.usage or {}
    return Exchange(
        conversation=conversation,
        at=began,
        asked=asked,
        model=answer.model,
        provider=outcome.provider,
        system=system,
        content=content,
        answer=outcome.text,
        prompt_tokens=_count(usage.get("prompt_tokens")),
        completion_tokens=_count(usage.get("completion_tokens")),
        seconds=max(0.0, time.time() - began),
        attempts=len(outcome.attempts),
    )


def _count(tokens: object) -> int | None:
    return tokens if isinstance(tokens, int) else None
