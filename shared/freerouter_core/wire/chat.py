"""`ChatOperation`: a chat completion, as the engine and the driver see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

from ..catalogue.model import Mode, Model
from ..catalogue.providers import Account
from .answer import Answer, read_answer
from .body import build_body, form_of
from .call_text import CallGate, call_start, called_name
from .fault import Cause, Fault, Kind
from .json_gate import JsonGate
from .json_values import Json
from .judge import judge_answer, judge_call, judge_embedded
from .operation import Operation
from .request import ChatRequest, Validator
from .schema import resolve_root, schema_name
from .stop_words import cut_at_stop, stop_words
from .structured import Form
from .structured_reader import property_names, read_structured
from .terms import Terms
from .tool_calls import InvalidToolCall, ToolCall, id_of_call
from .tool_names import offered_name, own_names


class ChatOperation(Operation):
    """A `ChatRequest` on its way."""

    mode: ClassVar[Mode] = "chat"

    def __init__(self, request: ChatRequest) -> None:
        self.request = request

    def path(self, model: Model) -> str:
        return "/chat/completions"

    def body(self, model: Model, account: Account, terms: Terms) -> tuple[Json, Form | None]:
        return build_body(self.request, model, account, terms)

    def form(self, model: Model, account: Account, *, prefill: str | None = None) -> Form | None:
        return form_of(self.request, model, account, prefill=prefill)

    def read(self, payload: object, model: Model) -> Answer:
        return cut_at_stop(read_answer(payload, model.wire_name), self.stops)

    @property
    def validate(self) -> Validator | None:
        return self.request.validate

    @property
    def tools(self) -> bool:
        return bool(self.request.tools)

    @property
    def must_call(self) -> str | bool:
        return self.request.must_call

    @property
    def stops(self) -> tuple[str, ...]:
        request = self.request
        if request.structured is not None:
            return ()  # an object ends where it is whole
        fields = request.extra_body if "stop" in request.extra_body else request.parameters
        return stop_words(fields.get("stop"))

    @property
    def may_restart(self) -> bool:
        return self.request.structured is not None and self.request.replaces

    @property
    def may_call(self) -> bool:
        return self.tools or self.request.structured is not None

    @property
    def callable_tools(self) -> frozenset[str]:
        request = self.request
        return frozenset() if request.tool_choice == "none" else request.offered

    @property
    def own_names(self) -> Mapping[str, str]:
        return own_names(self.request)

    def gate(self) -> JsonGate | CallGate | None:
        request = self.request
        if request.structured is not None:
            schema = request.structured.schema
            is_object = resolve_root(schema).get("type") == "object"
            return JsonGate(property_names(schema), lists=not is_object)
        if not request.tools or request.tool_choice == "none":
            return None
        return CallGate(calls_only=bool(request.must_call))

    def judge(
        self, answer: Answer, now: float, *, pieced: bool = False
    ) -> tuple[Answer, Fault | None]:
        request = self.request
        wish, offered = request.structured, request.offered
        if answer.tool_calls:
            answer = _with_offered_names(answer, offered)
        if request.tool_choice == "none" and answer.tool_calls and (wish is None or request.tools):
            if not answer.text:
                message = "called a tool though none was to be called"
                return answer, Fault(Kind.BROKEN, Cause.UNINVITED_CALL, message)
            answer = _without_calls(answer)
        if answer.error is not None:
            return answer, judge_embedded(answer.error, now)
        if wish is None or request.tools:
            tools = offered if wish is None else offered | {schema_name(wish.name)}
            fault = judge_answer(answer, tools=tools, must_call=request.must_call)
            if fault is not None:
                return answer, fault
            if wish is None or any(call.name in offered for call in answer.tool_calls):
                return answer, None
        else:
            # Without tools, a call is one more form of the object: its arguments are judged.
            said = answer.text or "".join(call.arguments for call in answer.tool_calls)
            fault = judge_answer(answer.with_(text=said, tool_calls=()))
            if fault is not None:
                return answer, fault
        parsed = read_structured(answer, wish, bare=pieced)
        if parsed.problem is not None:
            cut = answer.finish_reason == "length"
            hint = "raise max_tokens: the JSON was cut" if cut else ""
            fault = Fault(
                Kind.BROKEN, Cause.NOT_THE_SCHEMA, parsed.problem, teaches=not cut, hint=hint
            )
            return answer, fault
        answer = _without_calls(answer.with_(text=parsed.text))
        if parsed.hollow:
            message = "gave an empty object"
            return answer, Fault(Kind.BROKEN, Cause.HOLLOW, message, teaches=False)
        return answer, None

    def with_invalid_calls(self, answer: Answer, fault: Fault) -> Answer | None:
        request = self.request
        if not request.tools:
            return None  # nobody waits for a call
        if fault.effect.text_call:
            start = call_start(answer.text, request.offered) or 0
            written = answer.text[start:]
            call = InvalidToolCall(
                f"{id_of_call(answer.id)}_text",
                called_name(written),
                written,
                "the call was written as text; call the tool itself",
            )
            return answer.with_(text=answer.text[:start], invalid_calls=(call,))
        if not answer.tool_calls:
            return None
        valid: list[ToolCall] = []
        invalid: list[InvalidToolCall] = []
        for n, made in enumerate(answer.tool_calls):
            problem = self._problem(made, cut=answer.finish_reason in (None, "length"))
            if problem is None:
                valid.append(made)
            else:
                invalid.append(InvalidToolCall(made.id, made.name, made.arguments, problem, n))
        return answer.with_(tool_calls=tuple(valid), invalid_calls=tuple(invalid), error=None)

    def _problem(self, call: ToolCall, *, cut: bool) -> str | None:
        """Why a call cannot be carried out, in words for the model that made it."""
        request = self.request
        fault = judge_call(call, request.offered, cut=cut)
        if fault is not None:
            return fault.message
        if request.tool_choice == "none":
            return "no tool may be called now"
        if isinstance(request.must_call, str) and call.name != request.must_call:
            return f"only {request.must_call!r} may be called now"
        return None


def _without_calls(answer: Answer) -> Answer:
    """The answer without its calls, and without a finish reason that announces some."""
    calls = answer.finish_reason in ("tool_calls", "function_call")
    return answer.with_(tool_calls=(), finish_reason="stop" if calls else answer.finish_reason)


def _with_offered_names(answer: Answer, offered: frozenset[str]) -> Answer:
    """The answer with the names of tools as they were offered."""
    calls = tuple(
        call if call.name in offered else replace(call, name=offered_name(call.name, offered))
        for call in answer.tool_calls
    )
    return answer.with_(tool_calls=calls)
