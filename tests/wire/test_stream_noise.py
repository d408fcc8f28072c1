"""What streams hold besides their chunks: heartbeats, marks, the answer once more, late words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from freerouter_core.wire.answer import Answer, read_answer
from freerouter_core.wire.delta import Delta
from freerouter_core.wire.sse import SSEDecoder
from freerouter_core.wire.stream import Assembler


def chunk(text: str | None = None, finish: str | None = None, **delta: Any) -> str:
    if text is not None:
        delta["content"] = text
    return json.dumps({"choices": [{"delta": delta, "finish_reason": finish}]})


def read(*parts: str | bytes, step: int = 0) -> tuple[str, Answer]:
    """(the text as it was shown, the answer) of a response with these parts."""
    data = b"".join(part.encode() if isinstance(part, str) else part for part in parts)
    decoder, assembler, shown = SSEDecoder(), Assembler(), ""
    deltas: list[Delta | None] = []
    for n in range(0, len(data), step or len(data)):
        deltas += map(assembler.feed_data, decoder.feed(data[n : n + (step or len(data))]))
    deltas += map(assembler.feed_data, decoder.close())
    deltas.append(assembler.close())
    shown = "".join(delta.text for delta in deltas if delta)
    return shown, assembler.answer()


def event(data: str) -> str:
    return f"data: {data}\n\n"


HEARTBEATS = [
    ": keepalive\n\n",
    ": OPENROUTER PROCESSING\n\n",
    ":\n\n",
    "data: : keepalive\n\n",
    "data:: ping\n\n",
    "data:\n\n",
    "data: \n\n",
    "\n\n\n",
    "event: ping\ndata: {}\n\n",
    'event: ping\ndata: {"type": "ping"}\n\n',
    'data: {"type":"ping"}\n\n',
    "data: ping\n\n",
    "data: [ping]\n\n".replace("[", "(").replace("]", ")"),
    "data: keep-alive\n\n",
    "data: [HEARTBEAT]\n\n",
    "data: [PING] 1764410000\n\n",
    "data: data: ping\n\n",
    "DATA: still processing...\n\n",
    "nonsense\n\n",
    "  \n\n",
    'data: {"code": 0, "message": "alive"}\n\n',
    'data: {"code": "200", "message": "ok"}\n\n',
    'data: "ping"\n\n',
    "data: null\n\n",
    "data: 1\n\n",
    "event: heartbeat\n\n",
    "retry: 3000\n\n",
    "id: 7\n\n",
    'data: {"choices": []}\n\n',
]


@pytest.mark.parametrize("heartbeat", HEARTBEATS)
@pytest.mark.parametrize("step", [0, 1])
def test_heartbeats_change_nothing(heartbeat: str, step: int) -> None:
    text, answer = read(
        heartbeat, event(chunk("Hel")), heartbeat * 2, event(chunk("lo", "stop")), heartbeat,
        event("[DONE]"), heartbeat, step=step,
    )  # fmt: skip

    assert text == answer.text == "Hello"
    assert (answer.error, answer.complete) == (None, True)


@pytest.mark.parametrize("step", [0, 1, 2])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_a_byte_order_mark_loses_no_event(step: int, newline: str) -> None:
    parts = event(chunk("Hel")) + event(chunk("lo", "stop"))
    text, answer = read(b"\xef\xbb\xbf", parts.replace("\n", newline), step=step)

    assert (text, answer.finish_reason) == ("Hello", "stop")


def test_events_need_no_blank_line_between_them() -> None:
    text, answer = read(f"data: {chunk('Hel')}\ndata: {chunk('lo', 'stop')}\ndata: [DONE]\n")

    assert (text, answer.complete, answer.error) == ("Hello", True, None)


def test_an_event_of_several_lines_is_one() -> None:
    lines = "".join(
        f"data: {line}\n" for line in json.dumps(json.loads(chunk("x")), indent=1).split("\n")
    )

    assert read(lines + "\n")[0] == "x"


def test_json_lines_without_data_are_events() -> None:
    text, answer = read(f"{chunk('Hel')}\n{chunk('lo', 'stop')}\n")

    assert (text, answer.finish_reason) == ("Hello", "stop")


def test_nothing_counts_after_the_end() -> None:
    text, answer = read(
        event(chunk("x", "stop")), event("[DONE]"), event(chunk(" and more")),
        event('{"error": {"code": 500}}'), event("[DONE]"), "data: {broken\n\n",
    )  # fmt: skip

    assert (text, answer.text, answer.error) == ("x", "x", None)


@pytest.mark.parametrize(
    "late", ['{"error": {"code": 500}}', "{broken", '{"object": "error", "message": "m"}', "bye"]
)
@pytest.mark.parametrize("finish", ["stop", "length", "tool_calls"])
def test_an_error_after_the_finish_reason_of_a_whole_answer_says_nothing(
    late: str, finish: str
) -> None:
    call = {"index": 0, "id": "1", "function": {"name": "f", "arguments": "{}"}}
    said = chunk(tool_calls=[call]) if finish == "tool_calls" else chunk("x")

    answer = read(event(said), event(chunk(finish=finish)), event(late))[1]
    assert (answer.error, answer.finish_reason) == (None, finish)


def test_an_error_after_a_finish_reason_counts_if_nothing_was_said() -> None:
    assert read(event(chunk("", "stop")), event('{"error": {"code": 429}}'))[1].error is not None


def test_an_error_that_came_before_the_finish_reason_stays() -> None:
    parts = event(chunk("x")), event('{"error": {"code": 500}}'), event(chunk(finish="stop"))

    assert read(*parts, event('{"error": {"code": 501}}'))[1].error == {"code": 501}


@pytest.mark.parametrize("words", ["upstream connect error", "Internal Server Error"])
@pytest.mark.parametrize("end", ["", "data: [DONE]\n\n"])
def test_words_that_end_a_stream_are_its_error(words: str, end: str) -> None:
    answer = read(event(chunk("Once")), event(words), end)[1]

    assert answer.error == {"message": words}


def test_a_detail_that_ends_a_stream_is_its_error() -> None:
    answer = read(event(chunk("Once")), event('{"detail": "no workers"}'))[1]

    assert answer.error == {"message": "no workers"}


def test_odd_words_before_the_end_say_nothing() -> None:
    assert read(event("hello there"), event(chunk("x")), event("[DONE]"))[1].error is None
    assert (
        read(event(chunk("x")), event("hm, hm, hm"), event(chunk(finish="stop")))[1].error is None
    )


# -- the answer once more ------------------------------------------------------------------------


def whole(text: Any, kind: str = "chat.completion", **message: Any) -> str:
    choice = {"message": {"content": text, **message}, "finish_reason": "stop"}
    return json.dumps({"object": kind, "choices": [choice], "usage": {"total_tokens": 7}})


@pytest.mark.parametrize(
    "frame",
    [
        whole("Hello world"),
        whole("<think>hm</think>\n\nHello world"),
        whole([{"type": "text", "text": "Hello world"}]),
        whole("Hello world", kind=""),
        whole("Good day, in other words"),
        whole(""),
        whole(None),
    ],
)
def test_the_whole_answer_at_the_end_adds_nothing_but_its_usage(frame: str) -> None:
    text, answer = read(event(chunk("Hello ")), event(chunk("world")), event(frame))

    assert text == answer.text == "Hello world"
    assert (answer.finish_reason, answer.usage) == ("stop", {"total_tokens": 7})


def test_the_whole_answer_at_the_end_adds_what_was_not_streamed() -> None:
    call = {"id": "1", "function": {"name": "f", "arguments": "{}"}}
    frame = whole("Hello world", reasoning="hm", tool_calls=[call], images=[{"n": 1}])
    answer = read(event(chunk("Hello")), event(frame))[1]

    assert (answer.text, answer.reasoning, answer.images) == ("Hello world", "hm", ({"n": 1},))
    assert [c.name for c in answer.tool_calls] == ["f"]


def test_calls_and_thoughts_that_were_streamed_are_not_taken_twice() -> None:
    call = {"index": 0, "id": "1", "function": {"name": "f", "arguments": "{}"}}
    frame = whole(None, reasoning="hm", tool_calls=[{**call, "id": "2"}])
    answer = read(event(chunk(reasoning="hm", tool_calls=[call])), event(frame))[1]

    assert (answer.reasoning, [c.id for c in answer.tool_calls]) == ("hm", ["1"])


def test_a_stream_that_is_the_whole_answer_is_read() -> None:
    text, answer = read(event(whole("Hello world")))

    assert (text, answer.finish_reason) == ("Hello world", "stop")


def test_deltas_that_are_called_messages_are_deltas() -> None:
    parts = [
        json.dumps({"choices": [{"message": {"content": text}, "finish_reason": finish}]})
        for text, finish in (("ha", None), ("ha", None), ("!", "stop"))
    ]
    assert read(*map(event, parts))[0] == "haha!"


def test_a_last_chunk_that_says_everything_again_says_nothing() -> None:
    text = "A sentence that is long enough."
    parts = event(chunk(text[:9])), event(chunk(text[9:]))

    assert read(*parts, event(chunk(text, "stop")))[0] == text
    assert read(*parts, event(chunk("!", "stop")))[0] == text + "!"
    assert (
        read(event(chunk("ha")), event(chunk("ha")), event(chunk("haha", "stop")))[0] == "haha" * 2
    )


def test_the_model_is_known_from_the_first_chunk_that_names_it() -> None:
    assembler = Assembler("asked/for:free")
    assert assembler.model == "asked/for:free"
    assembler.feed({"model": "answers/now", "choices": []})

    assert assembler.model == "answers/now"


@pytest.mark.parametrize("comment", ["data: : OPENROUTER PROCESSING\n\n", "data:: still here\n\n"])
def test_a_comment_as_data_is_no_end_in_words(comment: str) -> None:
    """Nor for a server that sends no finish reason."""
    assert read(event(chunk("Once.")), comment, event("[DONE]"))[1].error is None


def completion(text: str, finish: str | None = None) -> str:
    """A chunk that its server calls a whole answer."""
    return chunk(text, finish).replace('{"choices"', '{"object": "chat.completion", "choices"')


def in_chunks(text: str) -> str:
    return completion(text).replace("completion", "completion.chunk")


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ([in_chunks("ha"), in_chunks("ha"), completion("haha", "stop")], "haha"),
        ([in_chunks("h"), in_chunks("a"), completion("ha!", "stop")], "ha!"),
        ([completion("ha"), completion("ha"), completion("haha", "stop")], "hahahaha"),
        ([in_chunks("ha"), in_chunks("ha"), completion("haha")], "hahahaha"),
        ([in_chunks("ha"), completion("ha", "stop")], "haha"),
        (
            [chunk("x" * 20), chunk("y" * 20), chunk("", "stop"), chunk("x" * 20 + "y" * 20)],
            "x" * 20 + "y" * 20,
        ),
        ([chunk("x" * 20), chunk("y" * 20), chunk("x" * 20 + "y" * 20)], 2 * ("x" * 20 + "y" * 20)),
        (['{"choices": [{"text": "hi", "finish_reason": "stop"}]}'], "hi"),
        (['{"choices": [{"text": null, "finish_reason": "stop"}]}'], ""),
    ],
)
def test_all_text_once_more_at_the_end_counts_once(parts: list[str], text: str) -> None:
    assert read(*map(event, parts))[0] == text


def test_text_in_the_field_of_completions_is_read() -> None:
    assert read_answer({"choices": [{"text": "hi"}]}).text == "hi"
    assert read_answer({"choices": [{"text": None}]}).text == ""


def test_an_error_of_a_number_that_means_no_success_is_an_error() -> None:
    _, answer = read(event('{"code": 1302, "message": "busy"}'))

    assert answer.error == {"code": 1302, "message": "busy"}
