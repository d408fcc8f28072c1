"""`AttemptRun`: one attempt under way, from its request body to its answer."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace

from ..catalogue.providers import Account
from ..routing.charges import Grant
from ..routing.plan import Plan
from ..routing.steps import Attempt
from ..wire.answer import Answer
from ..wire.call_text import CallGate
from ..wire.delta import NOTHING, Delta
from ..wire.event_body import answer_in_events
from ..wire.fault import Cause, Fault, Kind
from ..wire.json_gate import JsonGate
from ..wire.json_values import Json, encode_json, parse_json
from ..wire.judge import judge_rejection
from ..wire.reasoning_redactor import ReasoningRedactor
from ..wire.redact import redact, redact_answer, redact_fault
from ..wire.rejection import read_rejection
from ..wire.retry_after import spent_limits_reset_at
from ..wire.shown_calls import ShownCalls
from ..wire.splice import CannotSplice
from ..wire.sse import SSEDecoder
from ..wire.stop_words import cut_at_stop
from ..wire.stream import Assembler
from ..wire.terms import Terms
from ..wire.tool_names import answer_with_own_names
from .continuation import Continuation
from .http.transport import MAX_BODY, Response, Transport, TransportFailed
from .loop.clock import Clock

ERROR_BODY_TIMEOUT = 2.0
"""Seconds to wait for the body of an error. Its status and headers are enough without it."""
MAX_ERROR_BODY = 100_000
"""Bytes of an error's body that are read."""
DONE_TIMEOUT = 0.25
"""Seconds to wait for the end of a response after `[DONE]`."""
FINISH_TIMEOUT = 2.0
"""Seconds to wait for it after a finish reason, which a usage chunk may follow."""


_PLAIN_JSON = re.compile(r"/json\b|\+json\b")
"""The type of a body that is no stream. One JSON value a line is one."""


class Rejected(Exception):
    """The attempt is rejected: by the provider, or because its text cannot be used."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.cause)
        self.fault = fault


class AttemptRun:
    """One attempt under way: its task, its grant, and what has come of it so far.

    `on_delta` gets every delta that a caller may see, and `catch_up` waits for one that reads
    slowly. `shown_before` is the text that earlier
    attempts of this request have already shown.
    """

    def __init__(
        self,
        *,
        attempt: Attempt,
        grant: Grant | None,
        plan: Plan,
        clock: Clock,
        transport_of: Callable[[Account], Transport],
        on_delta: Callable[[AttemptRun, Delta], None],
        catch_up: Callable[[AttemptRun], Awaitable[None]],
        shown_before: str = "",
    ) -> None:
        self.attempt, self.grant, self.plan = attempt, grant, plan
        self._operation = plan.operation
        self._clock, self._transport_of, self._on_delta = clock, transport_of, on_delta
        self._catch_up = catch_up
        self.task: asyncio.Task[None] | None = None
        self.started = False
        """Whether the task has begun. One that is cancelled before has sent nothing."""
        self.stall_timer: asyncio.TimerHandle | None = None
        self.stalled = False
        self.last_token_at = self.last_byte_at = clock.now()
        self.token_stage = 0
        """0: no token yet. 1: only tokens that are not shown. 2: a thought. 3: a visible one."""
        self.committed = False
        self.showing = False
        """Whether the caller is shown what it thinks, while nobody is committed."""
        self.held_deltas: list[Delta] = []
        """Deltas that wait for this attempt to be committed."""
        self.showed_reasoning = self.showed_fragments = False
        """Whether the caller has seen reasoning, or pieces of a tool call, of it."""
        self.shown_before = shown_before
        self.tokens: int | None = None
        self.cost: float | None = None
        """USD."""
        self.spent_until: float | None = None
        """When a limit that the headers call spent is reset, unix seconds."""
        self._gate: JsonGate | CallGate | None = None
        self._assembler: Assembler | None = None
        self._redactor = ReasoningRedactor(attempt.account)
        self._tool_as_text = False
        """Whether the structured object comes as the arguments of a forced tool call."""
        self._own_names = self._operation.own_names
        self.shown_calls = ShownCalls(self._operation.callable_tools, self._own_names)
        self._continuation = None if attempt.resumes is None else Continuation(shown_before)

    async def ask(self) -> Answer:
        """Send the attempt and return its answer. Raises `Rejected` and `TransportFailed`."""
        answer = answer_with_own_names(self._cleaned(await self._fetch()), self._own_names)
        if self._continuation is None or answer.error is not None:
            return answer
        with _new_start_is_rejected():
            text, unseen = self._continuation.finish(answer.text)
        if unseen:
            self._on_delta(self, Delta(unseen))
        return answer.with_(text=text, reasoning="", reasoning_details=())

    @property
    def model(self) -> str:
        """Who speaks: as the stream names it, else as it was asked for."""
        name = self.attempt.model.wire_name
        if self._assembler is not None:
            name = self._assembler.model
        return redact(name, self.attempt.account)

    def partial(self) -> Answer | None:
        """What a failed attempt had said, if it was about to call a tool."""
        if self._assembler is None or self._continuation is not None:
            return None
        answer = answer_with_own_names(self._cleaned(self._assembler.answer()), self._own_names)
        return answer if answer.tool_calls else None

    async def _fetch(self) -> Answer:
        attempt, plan = self.attempt, self.plan
        body, form = self._operation.body(
            attempt.known,
            attempt.account,
            Terms(
                stream=plan.stream,
                free_only=not plan.policy.allow_paid,
                price_cap=attempt.price_cap,
                no_train=plan.policy.no_train,
                prefill=attempt.resumes,
            ),
        )
        self._tool_as_text = form == "tool"
        account, content = attempt.account, _encoded(body)
        transport, path = self._transport_of(account), self._operation.path(attempt.model)
        async with transport.open(account, "POST", path, content) as response:
            if not 200 <= response.status < 300:
                raise Rejected(await self._read_rejection(response))
            self.spent_until = spent_limits_reset_at(response.headers, self._clock.now())
            if plan.stream and not _PLAIN_JSON.search(response.headers.get("content-type", "")):
                return await self._read_stream(response.chunks())
            return self._read(await response.read())

    async def _read_rejection(self, response: Response) -> Fault:
        body = b""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ERROR_BODY_TIMEOUT):
                body = await response.read(MAX_ERROR_BODY, whole=False)
        rejection = read_rejection(response.status, response.headers, body)
        return redact_fault(judge_rejection(rejection, self._clock.now()), self.attempt.account)

    def _read(self, body: bytes | bytearray) -> Answer:
        payload = _load(body, self._operation.max_values)
        if payload is None and self._operation.mode == "chat":
            answer = answer_in_events(body, self.attempt.model.wire_name)
            if answer is not None:
                return cut_at_stop(answer, self._operation.stops)
        return self._operation.read(payload, self.attempt.model)

    # -- a streamed answer --------------------------------------------------------------------

    async def _read_stream(self, chunks: AsyncIterator[bytes]) -> Answer:
        name, continues = self.attempt.model.wire_name, bool(self.shown_before)
        operation, decoder = self._operation, SSEDecoder()
        assembler = Assembler(
            name, continues=continues, stops=operation.stops, may_call=operation.may_call
        )
        self._assembler = assembler
        self._gate = None if continues else operation.gate()
        head = await self._read_chunks(chunks, decoder, assembler)
        if head and not assembler.fed:
            return self._read(head)  # plain JSON, whatever the content type says
        for data in decoder.close() if not assembler.done else ():
            delta = assembler.feed_data(data)
            if delta is not None:
                self._on_chunk(delta)
        rest = assembler.close()
        if rest is not None:
            self._on_chunk(rest)
        waits = self._redactor.feed(Delta(), last=True)
        if waits.reasoning or waits.reasoning_details:
            self._on_delta(self, waits)
        return assembler.answer()

    async def _read_chunks(
        self, chunks: AsyncIterator[bytes], decoder: SSEDecoder, assembler: Assembler
    ) -> bytes:
        """Read the response into the assembler. Returns its bytes, if it began as plain JSON."""
        head = bytearray()
        begins_as_json: bool | None = None
        try:
            async with asyncio.timeout(None) as limit:
                async for chunk in chunks:
                    self.last_byte_at = self._clock.now()
                    if begins_as_json is None and chunk.lstrip():
                        begins_as_json = chunk.lstrip()[:1] in (b"{", b"[")
                    if begins_as_json and not assembler.fed:
                        head += chunk
                        if len(head) > MAX_BODY:
                            raise ValueError(f"the response is larger than {MAX_BODY:,} bytes")
                    for data in decoder.feed(chunk):
                        delta = assembler.feed_data(data)
                        if delta is not None and assembler.error is None:
                            self._on_chunk(delta)
                    if assembler.error is not None:
                        break
                    if not assembler.finished:
                        await self._catch_up(self)
                    # The answer is complete. Read on to the end of the response, so that the
                    # connection can be reused. Further comments do not extend the limit.
                    if assembler.finished and (assembler.done or limit.when() is None):
                        seconds = DONE_TIMEOUT if assembler.done else FINISH_TIMEOUT
                        end = asyncio.get_running_loop().time() + seconds
                        limit.reschedule(min(end, limit.when() or end))
        except TimeoutError:
            pass
        except TransportFailed:
            if not assembler.finished:  # a cut after the finish reason loses nothing
                raise
        except ValueError as error:
            raise TransportFailed("protocol", str(error)) from None
        return bytes(head)

    def _on_chunk(self, delta: Delta) -> None:
        """Pass on what the caller may see of a delta. The first one tells the engine of a token."""
        self.last_token_at = self._clock.now()
        if delta is NOTHING:
            return
        if self._continuation is not None:
            with _new_start_is_rejected():
                text = self._continuation.feed(delta.text)
            if not (text or delta.fragments):
                return  # reasoning, or a repetition of what was shown: no token yet
            # How to go on is not shown: it would stand in the middle of the text.
            delta = replace(delta, text=text, reasoning="", reasoning_details=())
        delta = self._redactor.feed(delta)
        if self._gate is not None:
            delta = self._gated(delta, self._gate)
        elif delta.fragments and self.plan.policy.tool_streaming == "whole":
            delta = replace(delta, fragments=())
        if delta.fragments:
            delta = replace(delta, fragments=self.shown_calls.feed(delta.fragments))
        self._on_delta(self, delta)

    def _gated(self, delta: Delta, gate: JsonGate | CallGate) -> Delta:
        """What may be shown while an object grows, or while a text may still be no answer."""
        whole = self.plan.policy.tool_streaming == "whole"
        if delta.fragments and self._operation.tools:  # the model calls a tool: this is no object
            if whole and self._operation.must_call:
                return replace(delta, text="", fragments=())
            self._gate = None
            text = gate.release() + delta.text
            return replace(delta, text=text, fragments=() if whole else delta.fragments)
        text = delta.text
        if self._tool_as_text:
            text = "".join(f.arguments for f in delta.fragments if f.index == 0)
        return replace(delta, text=gate.feed(text), fragments=())

    def _cleaned(self, answer: Answer) -> Answer:
        """The answer without keys in its metadata, marked if a simulated account gave it."""
        account = self.attempt.account
        answer = redact_answer(answer, account)
        return answer.with_(simulated=True) if account.simulated else answer


def _encoded(body: Json) -> bytes:
    try:
        return encode_json(body)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        message = f"the request is no JSON: {type(error).__name__}: {error}"
        raise Rejected(Fault(Kind.FATAL, Cause.BAD_REQUEST, message, teaches=False)) from None


@contextlib.contextmanager
def _new_start_is_rejected() -> Iterator[None]:
    """Turn `CannotSplice` into a rejection that teaches nothing of the model."""
    try:
        yield
    except CannotSplice:
        message = "answered anew instead of continuing"
        fault = Fault(
            kind=Kind.BROKEN, cause=Cause.BEGUN_ANEW, message=message, status=200, teaches=False
        )
        raise Rejected(fault) from None


def _load(body: bytes | bytearray, max_values: int) -> object:
    """The parsed JSON. None if it is not JSON."""
    try:
        return parse_json(body, max_values)
    except ValueError:
        return None
