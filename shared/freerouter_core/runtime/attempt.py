"""`Flight`: one attempt under way, from its body to its answer."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..catalogue.providers import Account
from ..routing.limits import Grant
from ..routing.plan import Plan
from ..routing.steps import Attempt
from ..wire.answer import Answer, read_answer
from ..wire.body import shape
from ..wire.fault import Cause, Fault, Kind
from ..wire.judge import judge_rejection
from ..wire.redact import clean, clean_answer, redact
from ..wire.rejection import read_rejection
from ..wire.retry_after import spent_until
from ..wire.splice import NoSeam, Splice
from ..wire.stream import Assembler, Delta, SSEDecoder
from ..wire.structured import JsonGate
from .http.transport import Transport, TransportFailed

if TYPE_CHECKING:
    from .runtime import Runtime

ERROR_PATIENCE = 2.0
"""Seconds the body of an error may take."""
TAIL, AFTER_FINISH = 0.25, 2.0
"""Seconds the end of a response may take after `[DONE]`, and after a finish reason (usage may follow it)."""


class Rejected(Exception):
    """The provider answered with an error; `fault` is what it means."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.cause)
        self.fault = fault


class Flight:
    """One attempt under way: its task, its grant, what it has said so far, and when it last said something."""

    def __init__(
        self,
        attempt: Attempt,
        grant: Grant | None,
        plan: Plan,
        runtime: Runtime,
        transport_of: Callable[[Account], Transport],
        say: Callable[[Flight, Delta], None],
        before: str = "",
    ) -> None:
        self.attempt, self.grant = attempt, grant
        self.plan, self.runtime, self.say = plan, runtime, say
        self.transport_of = transport_of
        self.task: asyncio.Task[None] | None = None
        self.before = before
        """What others have shown of this answer already."""
        self.splice = Splice(before) if attempt.resumes is not None else None
        self.added: list[str] = []
        self.held: list[Delta] = []
        self.shown = False
        self.token = 0
        self.gate: JsonGate | None = None
        self.thought = ""
        """Reasoning held back until the object begins: shown, it would commit the stream too early."""
        self.pieces = False
        """Whether pieces of tool calls were shown."""
        self.last = 0.0
        self.stalled = False
        self.timer: asyncio.TimerHandle | None = None
        self.tokens: int | None = None
        self.cost: float | None = None
        self.rests: float | None = None

    async def ask(self) -> Answer:
        """Send the attempt and read its answer. Raises `Rejected` and `TransportFailed`."""
        attempt, plan = self.attempt, self.plan
        account = attempt.account
        body, form = shape(
            plan.request,
            attempt.known,
            account,
            stream=plan.stream,
            free_only=not plan.policy.allow_paid,
            price_cap=attempt.price_cap,
            no_train=plan.policy.no_train,
            resumes=attempt.resumes,
        )
        transport = self.transport_of(account)
        async with transport.open(account, "POST", "/chat/completions", _dump(body)) as response:
            if not 200 <= response.status < 300:
                error = b""
                with contextlib.suppress(TimeoutError):  # the status and the headers say enough
                    async with asyncio.timeout(ERROR_PATIENCE):
                        error = await response.read(100_000, whole=False)
                rejection = read_rejection(response.status, response.headers, error)
                raise Rejected(clean(judge_rejection(rejection, self.runtime.clock.now()), account))
            self.rests = spent_until(response.headers, self.runtime.clock.now())
            if plan.stream and "json" not in response.headers.get("content-type", ""):
                return await self._read_stream(response.chunks(), tool_as_text=form == "tool")
            answer = read_answer(_load(await response.read()), attempt.model.wire_name)
        return self._joined(self._signed(answer, account))

    async def _read_stream(self, chunks: Any, *, tool_as_text: bool) -> Answer:
        decoder, assembler = (
            SSEDecoder(),
            Assembler(self.attempt.model.wire_name, resumes=bool(self.before)),
        )
        self.gate = (
            JsonGate() if self.plan.request.structured is not None and not self.before else None
        )
        head = await self._pour(chunks, decoder, assembler, tool_as_text)
        # Plain JSON, whatever its content type says.
        if not assembler.fed and head.lstrip()[:1] in (b"{", b"["):
            whole = read_answer(_load(head), self.attempt.model.wire_name)
            return self._joined(self._signed(whole, self.attempt.account))
        for data in decoder.close() if not assembler.done else ():
            delta = assembler.feed_data(data)
            if delta is not None:
                self._heard(delta, tool_as_text)
        rest = assembler.close()
        if rest is not None:
            self._heard(rest, tool_as_text)
        return self._joined(self._signed(assembler.answer(), self.attempt.account))

    async def _pour(
        self, chunks: Any, decoder: SSEDecoder, assembler: Assembler, tool_as_text: bool
    ) -> bytes:
        """Read the response into the assembler, to its end. Returns what came before any event did."""
        head = bytearray()
        try:
            async with asyncio.timeout(None) as bound:
                async for chunk in chunks:
                    if not assembler.fed:
                        head += chunk
                    for data in decoder.feed(chunk):
                        delta = assembler.feed_data(data)
                        if delta is not None and assembler.error is None:
                            self._heard(delta, tool_as_text)
                    if assembler.error is not None:
                        break
                    # Read to the end, which is at hand, so that the connection can be used again. Once said, what else
                    # is sent (comments, say) puts it off no further.
                    if assembler.finished and (assembler.done or bound.when() is None):
                        end = asyncio.get_running_loop().time() + (
                            TAIL if assembler.done else AFTER_FINISH
                        )
                        bound.reschedule(min(end, bound.when() or end))
        except TimeoutError:
            pass
        except TransportFailed:
            if not assembler.finished:  # cut after the end was said: nothing is missing
                raise
        except ValueError as error:
            raise TransportFailed("protocol", str(error)) from None
        return bytes(head)

    def _heard(self, delta: Delta, tool_as_text: bool) -> None:
        """A delta came: tell the engine of the first, and pass on what may be shown."""
        self.last = self.runtime.clock.now()
        if self.splice is not None:
            delta = self._continued(delta)
            if not (delta.text or delta.fragments):
                return  # it thinks, or repeats what was shown: that is no token yet, and another may be quicker
        if self.gate is not None and self.plan.request.tools and delta.fragments:
            # It calls a tool instead: what was held back is no object after all.
            delta = replace(
                delta,
                text=self.gate.release() + delta.text,
                reasoning=self.thought + delta.reasoning,
            )
            self.gate, self.thought = None, ""
        if self.gate is not None:
            # The wished-for object, growing in the text or in the arguments of the tool that was forced.
            text = (
                "".join(f.arguments for f in delta.fragments if f.index == 0)
                if tool_as_text
                else delta.text
            )
            self.thought += delta.reasoning
            shown = self.gate.feed(text)
            delta = Delta(shown, self.thought if shown else "", delta.reasoning_details)
            self.thought = "" if shown else self.thought
        elif delta.fragments and self.plan.policy.tool_streaming == "whole":
            delta = replace(delta, fragments=())
        self.say(self, delta)

    def _continued(self, delta: Delta) -> Delta:
        """What of it goes on from what was shown. Thoughts about how to go on are not shown: they would stand amid the text."""
        text = self._spliced(lambda splice: splice.feed(delta.text)) if delta.text else ""
        return replace(delta, text=text, reasoning="", reasoning_details=())

    def _spliced(self, feed: Callable[[Splice], str]) -> str:
        if self.splice is None:
            return ""
        try:
            text = feed(self.splice)
        except NoSeam:
            words = "answered anew instead of continuing"
            fault = Fault(Kind.BROKEN, Cause.BEGUN_ANEW, words, status=200, teaches=False)
            raise Rejected(fault) from None
        self.added.append(text)
        return text

    def _joined(self, answer: Answer) -> Answer:
        """The whole answer, what others began included; empty where nothing was added, so that it is judged as such."""
        if self.splice is None or answer.error is not None:
            return answer
        rest = ""
        if not self.added and answer.text:  # it came in one piece
            rest = self._spliced(lambda splice: splice.feed(answer.text))
        rest += self._spliced(lambda splice: splice.close())
        if rest:
            self.say(self, Delta(rest))
        added = "".join(self.added)
        return answer.with_(text=added and self.before + added, reasoning="", reasoning_details=())

    def _signed(self, answer: Answer, account: Account) -> Answer:
        if answer.error is not None:
            answer = answer.with_(
                error=json.loads(redact(json.dumps(answer.error, default=str), account))
            )
        answer = clean_answer(answer, account)
        return answer.with_(simulated=True) if account.simulated else answer


def _dump(body: dict[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"), default=str).encode(
        "utf-8", "replace"
    )


def _load(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None
