"""Streams of every recorded shape, cut at every byte."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freerouter_core.wire.answer import Answer, read_answer
from freerouter_core.wire.sse import MAX_LINE_BYTES, SSEDecoder
from freerouter_core.wire.stream import Assembler

STREAM = (Path(__file__).parent.parent / "answers" / "reasoning_then_text.sse").read_bytes()


def assemble(*deltas: dict[str, Any], done: bool = True, **last: Any) -> Answer:
    """An answer from `delta` objects, the last chunk with `last` besides."""
    assembler = Assembler("acme/a:free")
    for n, delta in enumerate(deltas):
        extra = last if n == len(deltas) - 1 else {}
        choice = {"index": 0, "delta": delta, "finish_reason": extra.pop("finish_reason", None)}
        assembler.feed_data(json.dumps({"id": "gen-x", "choices": [choice], **extra}))
    if done:
        assembler.feed_data("[DONE]")
    assembler.close()
    return assembler.answer()


def fragment(**parts: Any) -> dict[str, Any]:
    function = {k: parts.pop(k) for k in ("name", "arguments") if k in parts}
    return {"tool_calls": [{**parts, "function": function}]}


def calls(answer: Answer) -> list[tuple[str, str]]:
    return [(call.name, call.arguments or "{}") for call in answer.tool_calls]


@given(
    cuts=st.lists(st.integers(1, len(STREAM) - 1), max_size=60).map(sorted),
    newline=st.sampled_from([b"\n", b"\r\n"]),
)
def test_a_stream_cut_at_any_bytes_gives_the_same_answer(cuts: list[int], newline: bytes) -> None:
    decoder, assembler, shown = SSEDecoder(), Assembler(), ""
    data = STREAM.replace(b"\n", newline)
    for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
        for event in decoder.feed(data[start:end]):
            delta = assembler.feed_data(event)
            shown += delta.text if delta else ""
    answer = assembler.answer()

    assert answer.text == shown == "Vier – 四."
    assert answer.reasoning == "Two and two."
    assert answer.reasoning_details == (
        {"type": "reasoning.text", "text": "Two and two.", "index": 0, "format": "unknown"},
    )
    assert (answer.finish_reason, answer.native_finish_reason, answer.upstream) == (
        "stop",
        "end_turn",
        "North",
    )
    assert answer.usage is not None
    assert answer.usage["completion_tokens"] == 9
    assert answer.cost == 0.0
    assert answer.complete


def test_usage_in_a_chunk_without_a_choice_is_read() -> None:
    assembler = Assembler()
    assembler.feed({"choices": [{"delta": {"content": "x"}, "finish_reason": "stop"}]})
    assembler.feed({"choices": [], "usage": {"total_tokens": 3}})

    assert assembler.answer().usage == {"total_tokens": 3}


@pytest.mark.parametrize(
    "chunk",
    [
        {"error": {"code": 502, "message": "boom"}},
        {"error": {"code": 502, "message": "boom"}, "choices": []},
        {
            "error": {"code": 502, "message": "boom"},
            "choices": [{"delta": {"content": ""}, "finish_reason": None}],
        },
        {
            "error": {"code": 502, "message": "boom"},
            "choices": [{"delta": {"content": ""}, "finish_reason": "error"}],
        },
        {
            "choices": [
                {"delta": {}, "finish_reason": "error", "error": {"code": 502, "message": "boom"}}
            ]
        },
    ],
)
def test_an_error_in_a_chunk_is_read(chunk: dict[str, Any]) -> None:
    assembler = Assembler()
    assembler.feed(chunk)

    assert assembler.answer().error == {"code": 502, "message": "boom"}


def test_an_error_that_only_the_finish_reason_states_is_read() -> None:
    assembler = Assembler()
    assembler.feed(
        {"choices": [{"delta": {}, "finish_reason": "error", "native_finish_reason": "OVERLOADED"}]}
    )

    assert "OVERLOADED" in assembler.answer().error["message"]  # type: ignore[index]


def test_regular_tool_fragments_become_calls() -> None:
    answer = assemble(
        fragment(index=0, id="c1", name="add", arguments=""),
        fragment(index=0, arguments='{"a":'),
        fragment(index=0, arguments=" 1}"),
        fragment(index=1, id="c2", name="sub", arguments="{}"),
    )

    assert calls(answer) == [("add", '{"a": 1}'), ("sub", "{}")]


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param(
            [fragment(index=0, id="c1", name="add", arguments='{"a": 1}'),
             fragment(index=0, id="c2", name="sub", arguments="{}")],
            id="index used again with another id",
        ),
        pytest.param(
            [fragment(id="c1", name="add", arguments='{"a": 1}'),
             fragment(id="c2", name="sub", arguments="{}")],
            id="no index",
        ),
        pytest.param(
            [fragment(name="add", arguments='{"a": 1}'), fragment(name="sub", arguments="{}")],
            id="no index, no id"
        ),
        pytest.param(
            [fragment(index=0, id="c1", name="add", arguments='{"a"'),
             fragment(index=0, id="c1", name="add", arguments=": 1}"),
             fragment(index=1, id="c2", name="sub", arguments="{}")],
            id="id and name repeated",
        ),
        pytest.param(
            [{"tool_calls": [fragment(index=0, id="c1", name="add",
                arguments='{"a": 1}')["tool_calls"][0],
               fragment(index=1, id="c2", name="sub", arguments="{}")["tool_calls"][0]]}],
            id="both in one chunk",
        ),
        pytest.param(
            [fragment(index=0, id="", name="add", arguments={"a": 1}),
             fragment(index=1, id=None, name="sub", arguments=None)],
            id="arguments as an object, ids empty",
        ),
    ],
)  # fmt: skip
def test_irregular_tool_fragments_become_calls(pieces: list[dict[str, Any]]) -> None:
    answer = assemble(*pieces)

    assert calls(answer) == [("add", '{"a": 1}'), ("sub", "{}")]
    assert len({call.id for call in answer.tool_calls}) == 2
    assert all(call.id for call in answer.tool_calls)


@pytest.mark.parametrize("spelling", ["reasoning", "reasoning_content"])
def test_reasoning_is_read_in_either_spelling(spelling: str) -> None:
    assert assemble({spelling: "hm"}, {"content": "x"}).reasoning == "hm"


def test_reasoning_is_read_from_its_details() -> None:
    answer = assemble(
        {"reasoning_details": [{"type": "reasoning.text", "text": "hm"}]}, {"content": "x"}
    )

    assert answer.reasoning == "hm"


@given(
    st.text(max_size=20), st.text(min_size=1, max_size=20), st.lists(st.integers(1, 5), max_size=30)
)
def test_inline_think_is_split_off(thought: str, text: str, sizes: list[int]) -> None:
    if "<" in thought + text or text != text.strip() or not text:
        return
    whole, deltas = f"<think>{thought}</think>\n\n{text}", []
    for size in sizes:
        deltas.append({"content": whole[:size]})
        whole = whole[size:]
    answer = assemble(*deltas, {"content": whole})

    assert (answer.reasoning, answer.text) == (thought.strip(), text)


def test_text_that_begins_like_a_think_tag_is_text() -> None:
    assert assemble({"content": "<th"}, {"content": "ree> is a tag"}).text == "<three> is a tag"
    assert assemble({"content": "<thi"}).text == "<thi"


def test_encrypted_reasoning_never_merges() -> None:
    secret = {"type": "reasoning.encrypted", "data": "a", "index": 0}

    assert (
        len(
            assemble(
                {"reasoning_details": [secret]}, {"reasoning_details": [secret]}
            ).reasoning_details
        )
        == 2
    )


def test_a_stream_without_an_end_is_incomplete() -> None:
    assert not assemble({"content": "x"}, done=False).complete
    assert assemble({"content": "x"}, done=False, finish_reason="stop").complete
    assert assemble({"content": "x"}, done=True).complete


def test_comments_and_other_fields_are_skipped() -> None:
    decoder = SSEDecoder()

    assert decoder.feed(b": hello\nevent: x\nid: 3\nretry: 5\n\ndata: a\ndata:b\n\ndata") == [
        "a\nb"
    ]
    assert decoder.feed(b": c") == []
    assert decoder.close() == ["c"]


@pytest.mark.parametrize("content", [None, "", [], [{"type": "text", "text": ""}]])
def test_a_body_without_content_is_empty(content: Any) -> None:
    assert read_answer({"choices": [{"message": {"content": content}}]}).empty


def test_equal_calls_of_a_body_are_two_calls() -> None:
    call = {"id": None, "function": {"name": "f", "arguments": {"a": 1}}}
    answer = read_answer(
        {"id": "gen-9", "choices": [{"message": {"content": None, "tool_calls": [call, call]}}]}
    )

    assert calls(answer) == [("f", '{"a": 1}')] * 2
    assert len({c.id for c in answer.tool_calls}) == 2


def test_a_character_split_between_chunks_is_joined() -> None:
    assembler = Assembler("m")
    halves = [
        {"choices": [{"delta": {"content": part}}]} for part in ("a\ud83d", "\ude00b", "c\ud83d")
    ]
    deltas = [assembler.feed(half) for half in halves]
    rest = assembler.close()

    assert [delta.text for delta in (*deltas, rest) if delta is not None] == [
        "a",
        "\U0001f600b",
        "c",
        "\ufffd",
    ]
    assert assembler.answer().text == "a\U0001f600bc\ufffd"


def test_a_line_that_grows_without_end_is_an_error() -> None:
    decoder = SSEDecoder()
    with pytest.raises(ValueError, match="longer"):
        for _ in range(MAX_LINE_BYTES // 1000 + 2):
            decoder.feed(b"x" * 1000)
