"""Streams of odd shapes."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from freerouter_core import errors
from freerouter_core.wire.json_values import Json

from ..replies import (
    DONE,
    HI,
    WEATHER,
    Piece,
    Reply,
    Wire,
    answer,
    call,
    event,
    pieces,
    raw,
    refuse,
    sse,
    streams,
)
from ..row import TOOLS, Call, Fails, InvalidCall, Row, Text, hosts

A, B = event({"content": "h"}), event({"content": "i"})
END = event({}, "stop")
ARGUMENTS = '{"city": "Oslo"}'


def heard(*parts: Piece | str, cut: bool = False) -> Reply:
    """A stream of these bytes; a whole call is answered "hi"."""
    return streams(pieces(*parts, cut=cut))


def calling(*fragments: Json, finish: str | None = "tool_calls") -> Reply:
    """A stream of fragments of calls; a whole call gets the call."""
    return streams(sse(*({"tool_calls": [part]} for part in fragments), finish=finish), WEATHER)


def part(index: Any = 0, ident: str | None = None, **function: Any) -> Json:
    """A fragment; what is None is left out."""
    fields = {"index": index, "id": ident, "function": function}
    return {key: value for key, value in fields.items() if value is not None}


def frame(text: str | None, kind: str = "chat.completion", **message: Any) -> bytes:
    """A whole answer as an event of a stream."""
    choice = {"index": 0, "message": {"content": text, **message}, "finish_reason": "stop"}
    return f"data: {json.dumps({'object': kind, 'choices': [choice]})}\n\n".encode()


def noise(name: str, source: str, *parts: Piece | str, want: Any = Text()) -> Row:  # noqa: B008
    """A stream that is "hi" whatever else is in it."""
    wire = hosts(north={"a/x": heard(*parts)})
    return Row(name=name, source=source, wire=wire, streamed=want, requests=1)


def beats(name: str, source: str, beat: str) -> Row:
    """A heartbeat before, between and after the tokens."""
    return noise(f"a heartbeat: {name}", source, beat, A, beat, beat, B, END, beat, DONE, beat)


HEARTBEATS = (
    beats("a comment as data", "anomalyco/opencode#50871", "data: : keepalive\n\n"),
    beats("OpenRouter's comment as data", "mnfst/llm-gateway#2053",
          "data: : OPENROUTER PROCESSING\n\n"),
    beats("nothing as data", "K3", "data:\n\n"),
    beats("a comment and a blank line", "theopenco/llmgateway#2334", ": ping\n\n"),
    beats("a comment without a blank line", "mckinsey/agents-at-scale-ark#2567", ": ping - x\n"),
    beats("a named event", "diegosouzapw/OmniRoute#1146", "event: keepalive\n\n"),
    beats("an event of type ping", "justlovemaki/AIClient2API#695",
          'event: ping\ndata: {"type": "ping"}\n\n'),
    beats("a word in brackets as data", "kind: heartbeats in every spelling",
          "data: [HEARTBEAT] 1764410000\n\n"),
    beats("a success as data", "kind: heartbeats in every spelling",
          'data: {"code": 0, "message": "keepalive"}\n\n'),
    beats("words as data", "kind: heartbeats in every spelling", "data: still processing...\n\n"),
    beats("JSON that is nothing", "kind: heartbeats in every spelling", "data: null\n\n"),
    beats("a word as data", "kind: heartbeats in every spelling", "data: ping\n\n"),
    beats("an empty chunk", "diegosouzapw/OmniRoute#7136",
          'data: {"object": "chat.completion.chunk", "choices": []}\n\n'),
    beats("a chunk with an empty delta and an empty role", "MiniMax-AI/MiniMax-M2.5#2",
          event({"role": "", "content": ""}).decode()),
)  # fmt: skip

NOISE = (
    noise("a byte order mark before the first event", "K3", b"\xef\xbb\xbf", A, B, END, DONE),
    noise("a byte order mark before each event", "kind: framing",
          *(b"\xef\xbb\xbf" + e for e in (A, B, END, DONE))),
    noise("data: twice", "kind: framing", *(b"data: " + e for e in (A, B, END, DONE))),
    noise("Data: in capitals, after a space", "kind: framing",
          *(e.replace(b"data:", b" Data:") for e in (A, B, END, DONE))),
    noise("lines of spaces between events", "kind: framing",
          *(e.replace(b"\n\n", b"\n  \n") for e in (A, B, END, DONE))),
    noise("text in the field of completions", "kind: chunks of other forms",
          'data: {"choices": [{"text": "hi", "finish_reason": "stop"}]}\n\n', DONE),
    noise("a part that is no list", "kind: chunks of other forms",
          event({"content": {"type": "text", "text": "hi"}}), END, DONE),
    noise("the whole answer once more, as a delta", "kind: whole frames", A, B,
          event({"content": "hi"}, "stop").replace(b".chunk", b""), DONE),
    noise("text after the end", "K3", A, B, END, DONE, event({"content": " and more"})),
    noise("an error after the finish reason", "kind: late errors", A, B, END,
          'data: {"error": {"message": "late", "code": 500}}\n\n'),
    noise("broken JSON after the finish reason", "kind: late errors", A, B, END, "data: {oops\n\n"),
    noise("a cut after the finish reason", "kind: late errors", A, B, END),
    noise("lines that end in CRLF, cut inside them", "kind: framing",
          A.replace(b"\n", b"\r\n")[:-1], b"\n", B.replace(b"\n", b"\r\n"), END, DONE),
    noise("events without blank lines", "kind: framing", A.rstrip() + b"\n", B.rstrip() + b"\n",
          END.rstrip() + b"\n"),
    noise("JSON lines without data:", "kind: framing", *(e[6:-1] for e in (A, B, END))),
    noise("a character cut between two chunks", "kind: framing",
          *(bytes([byte]) for byte in event({"content": "hi"}) + END), want=Text("hi")),
    noise("no [DONE] and no blank line at the end", "kind: framing", A, B, END.rstrip()),
    noise("usage at the end, and no finish reason", "kind: ends", A, B,
          'data: {"choices": [], "usage": {"total_tokens": 9}}\n\n'),
    noise("two finish reasons", "RayBytes/ChatMock#114", A, B, END, END, DONE),
    noise("usage alone at the end", "mozilla-ai/any-llm#1185", A, B, END,
          'data: {"choices": [], "usage": {"total_tokens": 3}}\n\n', DONE),
    noise("the whole answer once more", "GCWing/OpenBitFun#792", A, B, frame("hi")),
    noise("the whole answer once more, as a message in a chunk",
          "abundantbeing/hermes-browser-extension#11", A, B, frame("hi", "chat.completion.chunk")),
    noise("the whole answer once more, with its thoughts", "ENTERPILOT/GoModel#1068",
          event({"reasoning_content": "hm"}), A, B, frame("hi", reasoning_content="hm")),
    noise("the whole answer in other words", "kind: whole frames", A, B, frame("Good day")),
    noise("nothing but the whole answer", "kind: whole frames", frame("hi"), DONE),
)  # fmt: skip

LONG = "A sentence that is long enough."
AFTER_THE_END = Row(
    name="all the text again, after the finish reason",
    source="kind: whole frames",
    wire=hosts(north={"a/x": streams(
        pieces(event({"content": LONG[:9]}), event({"content": LONG[9:]}), END,
               event({"content": LONG}), DONE), answer(LONG))}),
    want=Text(LONG),
    requests=1,
)  # fmt: skip
REPEATED = Row(
    name="a last delta that is all the text again",
    source="infiniflow/ragflow#15443",
    wire=hosts(north={"a/x": streams(
        pieces(event({"content": LONG[:9]}), event({"content": LONG[9:]}),
               event({"content": LONG}, "stop"), DONE), answer(LONG))}),
    want=Text(LONG),
    requests=1,
)  # fmt: skip


def assembled(name: str, source: str, *fragments: Json, finish: str | None = "tool_calls") -> Row:
    """One call, however it is cut."""
    wire = hosts(north={"a/x": calling(*fragments, finish=finish)})
    return Row(name=f"a call: {name}", source=source, wire=wire, ask=TOOLS, want=Call(), requests=1)


FRAGMENTS = (
    assembled("a new id without a name", "K3", part(0, "A", name="get_weather", arguments=""),
              part(0, "B", arguments=ARGUMENTS)),
    assembled("no index", "AstrBotDevs/AstrBot#6692", part(None, "A", name="get_weather"),
              part(None, None, arguments=ARGUMENTS)),
    assembled("no id", "continuedev/continue#13225", part(0, None, name="get_weather"),
              part(0, None, arguments=ARGUMENTS)),
    assembled("neither", "openai/codex#7517", part(None, None, name="get_weather", arguments=""),
              part(None, None, arguments=ARGUMENTS)),
    assembled("the arguments once more", "lidge-jun/opencodex#361",
              part(0, "A", name="get_weather", arguments=""), part(0, None, arguments=ARGUMENTS),
              part(0, None, arguments=ARGUMENTS)),
    assembled("all arguments so far each time", "NousResearch/hermes-agent#35718",
              part(0, "A", name="get_weather", arguments='{"city"'),
              part(0, None, arguments=ARGUMENTS)),
    assembled("an empty object first", "ogx-ai/ogx#5462",
              part(0, "A", name="get_weather", arguments="{}"),
              part(0, None, arguments=ARGUMENTS[:5]), part(0, None, arguments=ARGUMENTS[5:])),
    assembled("an empty object last", "kind: fragments",
              part(0, "A", name="get_weather", arguments=ARGUMENTS), part(0, None, arguments="{}")),
    assembled("null last", "kind: fragments",
              part(0, "A", name="get_weather", arguments=ARGUMENTS[:5]),
              part(0, None, arguments=ARGUMENTS[5:]), part(0, None, arguments="null")),
    assembled("no object around the function", "kind: fragments",
              {"index": 0, "id": "A", "name": "get_weather", "arguments": ARGUMENTS}),
    assembled("arguments as an object", "can1357/oh-my-pi#1779",
              part(0, "A", name="get_weather", arguments={"city": "Oslo"})),
    assembled("another index for the arguments", "agno-agi/agno#8880",
              part(0, "A", name="get_weather", arguments=""), part(1, None, arguments=ARGUMENTS)),
    assembled("the name with each piece", "kind: fragments",
              part(0, "A", name="get_weather", arguments=ARGUMENTS[:5]),
              part(0, "A", name="get_weather", arguments=ARGUMENTS[5:])),
    assembled("finish reason stop", "symfony/ai#2543",
              part(0, "A", name="get_weather", arguments=ARGUMENTS), finish="stop"),
    assembled("a namespace before the name", "kind: names of tools",
              part(0, "A", name="functions.get_weather", arguments=ARGUMENTS)),
    assembled("tokens of the model after the name", "kind: names of tools",
              part(0, "A", name="get_weather<|channel|>commentary", arguments=ARGUMENTS)),
)  # fmt: skip

CUMULATIVE = "a call: all arguments so far each time"
IN_PIECES = tuple(
    replace(row, name=f"{row.name}, shown in pieces", policy={"tool_streaming": "fragments"})
    for row in (
        *FRAGMENTS,
        assembled("an empty object first, and the rest at once", "openai/openai-agents-js#712",
                  part(0, "A", name="get_weather", arguments="{}"),
                  part(0, None, arguments=ARGUMENTS)),
        assembled("null first", "openai/openai-agents-js#712",
                  part(0, "A", name="get_weather", arguments="null"),
                  part(0, None, arguments=ARGUMENTS)),
        assembled("the name in pieces, with a namespace", "kind: names of tools",
                  part(0, "A", name="functions."), part(0, None, name="get_wea"),
                  part(0, None, name="ther"), part(0, None, arguments=ARGUMENTS)),
    )
    if row.name != CUMULATIVE
)  # fmt: skip
SPOILT = Row(
    name=f"{CUMULATIVE}, shown in pieces",
    source="NousResearch/hermes-agent#35718",
    wire=next(row for row in FRAGMENTS if row.name == CUMULATIVE).wire,
    ask=TOOLS,
    want=InvalidCall(),
    requests=1,
    policy={"tool_streaming": "fragments"},
    ways=frozenset({"lc_stream"}),  # its reader joins the pieces; the others get the whole call
)

THINKS = {"reasoning_content": "Let me think."}


def thinking(*deltas: Json, finish: str | None = "stop", cut: bool = False) -> Reply:
    """A stream that thinks before it goes wrong. A whole call is refused."""
    wire = sse(THINKS, *deltas, finish=finish, done=not cut)
    return Reply(refuse(502, "x").whole, Wire(200, wire.pieces, wire.headers, "cut" if cut else ""))


def after_thoughts(name: str, reply: Reply) -> Row:
    """A flaw after thoughts, and somebody who does better."""
    wire = hosts(north={"a/x": reply}, south={"b/y": WEATHER})
    return Row(name=f"after thoughts: {name}", source="K3", wire=wire, ask=TOOLS, want=Call(),
               requests=2)  # fmt: skip


CUT = part(0, "A", name="get_weather", arguments='{"city": "Os')
THOUGHTS = (
    after_thoughts("nothing", thinking()),
    after_thoughts("a cut", thinking(finish=None, cut=True)),
    after_thoughts("the end without a finish reason", thinking(finish=None, cut=False)),
    after_thoughts("a cut call", thinking({"tool_calls": [CUT]}, finish="length")),
    after_thoughts("an unknown tool", thinking({"tool_calls": [part(0, "A", name="look")]})),
    after_thoughts("a call as text", thinking({"content": '<tool_call>{"name": "get_weather"}'})),
    after_thoughts("a stall", streams(pieces(event(THINKS), 400.0, cut=True), refuse(502, "x"))),
)


def told(name: str, source: str, *deltas: Json, finish: str = "tool_calls", text: str = "") -> Row:
    """A flawed call after text, and nobody else."""
    said = [{"content": text}] if text else []
    whole = call("get_weather", '{"city": "Os', text=text or None)
    wire = hosts(north={"a/x": streams(sse(*said, *deltas, finish=finish), whole)})
    want = InvalidCall()
    return Row(name=f"told as invalid: {name}", source=source, wire=wire, ask=TOOLS, want=want,
               requests=9, policy={"max_retries": 1})  # fmt: skip


DELETE = part(0, "A", name="delete_file", arguments='{"path": "/home/me')
INVALID = (
    told("broken arguments after a sentence", "K3", {"tool_calls": [CUT]}, text="I look."),
    told("an unknown tool after a sentence", "K3", {"tool_calls": [part(0, "A", name="look")]},
         text="I look."),
    told("arguments cut by the limit, and nobody else", "kind: flawed calls", {"tool_calls": [CUT]},
         finish="length"),
    told("a call of delete_file that was cut", "langchain-ai/langchain#39275",
         {"tool_calls": [DELETE]}, text="I tidy up.", finish="length"),
    told("two calls glued together", "mudler/cogito#66",
         {"tool_calls": [part(0, "A", name="get_weather", arguments='{"a": 1}{"b": 2}')]}),
    told("a number that is none", "kind: flawed calls",
         {"tool_calls": [part(0, "A", name="get_weather", arguments='{"city": NaN}')]}),
    told("two indexes, one call cut", "kind: flawed calls",
         {"tool_calls": [part(0, "A", name="get_weather", arguments='["Oslo"]')]}),
)  # fmt: skip

ENDS = (
    Row(
        name="a whole tool call after minutes of heartbeats",
        source="K3",
        wire=hosts(north={"a/x": streams(pieces(
            event({"content": "I look."}), *((5.0, ": ping\n\n") * 20),
            event({"tool_calls": [part(0, "A", name="get_weather", arguments=ARGUMENTS)]}),
            event({}, "tool_calls")), call("get_weather", ARGUMENTS, text="I look."))}),
        ask=TOOLS,
        want=Call(text="I look."),
        requests=1,
    ),
    Row(
        name="text that stops without a byte is given up",
        source="kind: silence",
        wire=hosts(north={"a/x": heard(A, B, 60.0, END)}),
        streamed=Fails(errors.StreamBroken, partial="hi"),
        requests=1,
    ),
    Row(
        name="text that is cut is a broken stream",
        source="kind: silence",
        wire=hosts(north={"a/x": heard(A, B, cut=True)}, south={"b/y": HI}),
        streamed=Fails(errors.StreamBroken, partial="hi"),
        requests=1,
    ),
    Row(
        name="words that end a stream are its error",
        source="kind: unknown endings",
        wire=hosts(north={"a/x": heard(A, "data: upstream connect error\n\n", DONE)}),
        streamed=Fails(errors.StreamBroken, says="upstream connect", partial="h"),
        requests=1,
    ),
    Row(
        name="an error before any token is another model's turn",
        source="kind: unknown endings",
        wire=hosts(north={"a/x": raw("upstream connect error or disconnect", 200)},
                   south={"b/y": HI}),
        requests=2,
    ),
    Row(
        name="a call as text is another model's turn",
        source="deepseek-ai/DeepSeek-V3#1244",
        wire=hosts(north={"a/x": answer('<tool_call>{"name": "get_weather"}</tool_call>')},
                   south={"b/y": WEATHER}),
        ask=TOOLS,
        want=Call(),
        requests=2,
    ),
)  # fmt: skip

ROWS: tuple[Row, ...] = (
    *HEARTBEATS, *NOISE, REPEATED, AFTER_THE_END, *FRAGMENTS, *IN_PIECES, SPOILT, *THOUGHTS,
    *INVALID, *ENDS,
)  # fmt: skip
