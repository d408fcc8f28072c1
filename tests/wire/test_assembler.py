"""Streams, event by event: what each shows, and the answer they make."""

from __future__ import annotations

import json

import pytest

from freerouter_core.wire.delta import Delta
from freerouter_core.wire.json_values import Json
from freerouter_core.wire.sse import MAX_LINE_BYTES, SSEDecoder
from freerouter_core.wire.stream import Assembler
from freerouter_core.wire.tool_calls import ToolCall, ToolCallFragment, id_of_call

MADE = id_of_call("gen-1")
"""What begins the ids that calls get."""


def chunk(delta: object, **choice: object) -> Json:
    return {"id": "gen-1", "choices": [{"delta": delta, **choice}]}


def feed(assembler: Assembler, *deltas: Json) -> list[Delta | None]:
    return [assembler.feed(chunk(delta)) for delta in deltas]


def call(*, arguments: object = None, name: object = None, **fields: object) -> Json:
    return {"tool_calls": [{**fields, "function": {"name": name, "arguments": arguments}}]}


# -- server-sent events ----------------------------------------------------------------------------


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"])
def test_events_end_with_any_kind_of_empty_line(newline: bytes) -> None:
    data = newline.join([b"event: x", b"data: one", b"data:two", b"", b": comment", b"", b""])
    decoder = SSEDecoder()

    assert decoder.feed(data) + decoder.close() == ["one\ntwo"]


def test_a_carriage_return_at_the_end_of_a_piece_waits_for_its_line_feed() -> None:
    decoder = SSEDecoder()

    assert decoder.feed(b"data: x\r") == []
    assert decoder.feed(b"\n\r\n") == ["x"]


def test_a_letter_cut_between_pieces_is_whole() -> None:
    decoder = SSEDecoder()

    assert decoder.feed(b"data: \xc3") == []
    assert decoder.feed(b"\xa9\n\n") == ["é"]


def test_the_last_event_needs_no_empty_line() -> None:
    decoder = SSEDecoder()

    assert decoder.feed(b"data: a\n\ndata: b") == ["a"]
    assert decoder.close() == ["b"]
    assert decoder.close() == []


def test_a_line_without_end_is_refused_at_its_limit_and_not_before() -> None:
    decoder = SSEDecoder()
    decoder.feed(b"x" * MAX_LINE_BYTES)

    with pytest.raises(ValueError, match="longer than 16,000,000 bytes"):
        decoder.feed(b"x")


def test_the_end_of_a_line_makes_room_for_the_next() -> None:
    decoder = SSEDecoder()
    for _ in range(2):
        decoder.feed(b"x" * (MAX_LINE_BYTES - 1))
        decoder.feed(b"\n")
    decoder.feed(b"data: x\n")

    assert decoder.close() == ["x"]


# -- what a chunk shows ----------------------------------------------------------------------------


def test_text_and_reasoning_come_as_they_are_sent() -> None:
    assembler = Assembler()
    shown = feed(assembler, {"reasoning": "hm"}, {"content": "Fo"}, {"content": "ur"}, {})

    assert shown == [Delta("", "hm"), Delta("Fo"), Delta("ur"), None]
    assert (assembler.answer().text, assembler.answer().reasoning) == ("Four", "hm")


def test_reasoning_details_come_with_their_chunk_and_are_merged_in_the_answer() -> None:
    assembler = Assembler()
    piece = {"type": "reasoning.text", "text": "a"}
    shown = feed(assembler, {"reasoning_details": [piece]}, {"reasoning_details": [piece]})

    assert shown == [Delta("", "a", reasoning_details=(piece,))] * 2
    assert assembler.answer().reasoning_details == ({"type": "reasoning.text", "text": "aa"},)


@pytest.mark.parametrize("junk", [None, 7, "x", [], {"choices": "x"}, {"choices": [7]}])
def test_a_chunk_without_a_choice_shows_nothing(junk: object) -> None:
    assembler = Assembler()

    assert assembler.feed(junk) is None
    assert assembler.answer().empty


def test_a_whole_message_in_place_of_a_delta_is_read() -> None:
    assembler = Assembler()

    assert assembler.feed({"choices": [{"message": {"content": "x"}}]}) == Delta("x")
    assert assembler.feed({"choices": [{"delta": "odd"}]}) is None


def test_refusals_annotations_and_images_are_in_the_answer() -> None:
    assembler = Assembler("requested")
    feed(
        assembler,
        {"refusal": "I "},
        {"refusal": "won't"},
        {"annotations": [{"a": 1}]},
        {"annotations": [{"b": 2}], "images": [{"c": 3}]},
    )
    answer = assembler.answer()

    assert answer.refusal == "I won't"
    assert answer.annotations == ({"a": 1}, {"b": 2})
    assert answer.images == ({"c": 3},)
    assert answer.audio is None
    assert answer.model == "requested"


def test_the_last_model_and_upstream_and_the_first_id_count() -> None:
    assembler = Assembler("requested")
    assembler.feed({"id": "first", "model": "a", "provider": "North"})
    assembler.feed({"id": "second", "model": "b", "provider": "South"})
    assembler.feed({"id": None, "model": None, "provider": ""})
    answer = assembler.answer()

    assert (answer.id, answer.model, answer.upstream) == ("first", "b", "South")


def test_sound_is_joined_from_its_pieces() -> None:
    assembler = Assembler()
    feed(
        assembler,
        {"audio": {"id": "a", "data": None}},
        {"audio": {"data": "aG", "transcript": "he"}},
        {"audio": {"data": "k=", "transcript": None, "expires_at": 5}},
        {"audio": "odd"},
    )

    assert assembler.answer().audio == {
        "id": "a",
        "data": "aGk=",
        "transcript": "he",
        "expires_at": 5,
    }


def test_a_letter_cut_in_two_chunks_is_shown_when_it_is_whole() -> None:
    assembler = Assembler()
    shown = feed(assembler, {"content": "a"}, {"content": "b\ud83d"}, {"content": "\ude00c"})

    assert shown == [Delta("a"), Delta("b"), Delta("😀c")]


def test_half_a_letter_at_the_end_is_replaced() -> None:
    assembler = Assembler()
    feed(assembler, {"content": "a"}, {"content": "\ud83d"})

    assert assembler.close() == Delta("\ufffd")
    assert assembler.answer().text == "a\ufffd"


# -- think tags ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pieces", "text", "reasoning"),
    [
        (["<think>hm</think>Four."], "Four.", "hm"),
        (["<thi", "nk>h", "m</th", "ink>", "\n\n", "Four."], "Four.", "hm"),
        (["  <think>\n hm  ", " so \n</think> Four. "], "Four. ", "hm   so"),
        (["<think>a </thin", "g> b</think>x"], "x", "a </thing> b"),
        (["<think></think>x"], "x", ""),
        (["<think>", " \n", " hm</think>x"], "x", "hm"),
        (["<thing>", "x"], "<thing>x", ""),
        ([" ", " x"], "  x", ""),
        (["x <think>hm</think>"], "x <think>hm</think>", ""),
    ],
)
def test_a_think_block_is_split_off_wherever_it_is_cut(
    pieces: list[str], text: str, reasoning: str
) -> None:
    assembler = Assembler()
    shown = [delta for delta in feed(assembler, *({"content": piece} for piece in pieces)) if delta]
    rest = assembler.close()
    shown += [rest] if rest else []

    assert "".join(delta.text for delta in shown) == text == assembler.answer().text
    assert "".join(delta.reasoning for delta in shown) == reasoning
    assert assembler.answer().reasoning == reasoning


def test_thoughts_are_shown_while_they_come() -> None:
    assembler = Assembler()
    shown = feed(assembler, {"content": "<think>one"}, {"content": " two </"}, {"content": "b"})

    assert shown == [Delta("", "one"), Delta("", " two"), Delta("", " </b")]


@pytest.mark.parametrize(
    ("piece", "rest"),
    [("<thi", Delta("<thi")), ("<think>hm </thi", Delta("", " </thi")), ("<think>hm ", None)],
)
def test_what_might_have_been_a_tag_is_released_at_the_end(piece: str, rest: Delta | None) -> None:
    assembler = Assembler()
    feed(assembler, {"content": piece})

    assert assembler.close() == rest


@pytest.mark.parametrize(("continues", "text"), [(True, " x"), (False, "x")])
def test_a_space_after_the_thoughts_counts_only_in_a_continuation(
    continues: bool, text: str
) -> None:
    assembler = Assembler(continues=continues)
    feed(assembler, {"content": "<think>hm</think>\r\n x"})

    assert assembler.answer().text == text


# -- the end and errors ----------------------------------------------------------------------------


def test_done_ends_a_stream_and_releases_what_was_held_back() -> None:
    assembler = Assembler()

    assert not assembler.fed
    assembler.feed_data(json.dumps(chunk({"content": "<thi"})))
    assert (assembler.fed, assembler.done, assembler.finished) == (True, False, False)
    assert assembler.feed_data(" [DONE]\n") == Delta("<thi")
    assert (assembler.done, assembler.finished) == (True, True)
    assert assembler.answer().complete


def test_a_finish_reason_ends_a_stream_and_an_empty_one_changes_nothing() -> None:
    assembler = Assembler()
    assembler.feed(chunk({"content": "x"}, finish_reason="length", native_finish_reason="MAX"))
    assembler.feed(chunk({}, finish_reason=None))
    assembler.feed(chunk({}, finish_reason=""))
    answer = assembler.answer()

    assert assembler.finished
    assert (answer.finish_reason, answer.native_finish_reason) == ("length", "MAX")
    assert answer.complete


def test_a_stream_that_stops_without_an_end_is_not_complete() -> None:
    assembler = Assembler()
    feed(assembler, {"content": "x"})

    assert not assembler.finished
    assert not assembler.answer().complete


def test_a_repeated_finish_reason_keeps_the_native_one() -> None:
    assembler = Assembler()
    assembler.feed(chunk({}, finish_reason="stop", native_finish_reason="end_turn"))
    assembler.feed(chunk({}, finish_reason="stop"))

    assert assembler.answer().native_finish_reason == "end_turn"


def test_an_error_is_no_end() -> None:
    assembler = Assembler()
    assembler.feed({**chunk({}, finish_reason="stop"), "error": {"code": 502}})

    assert assembler.error == {"code": 502}
    assert not assembler.finished


@pytest.mark.parametrize(
    ("event", "error"),
    [
        ("{rubbish", {"message": "a chunk of the stream is no JSON", "code": 502}),
        ("[rubbish", {"message": "a chunk of the stream is no JSON", "code": 502}),
        ('[{"error": {"code": 3}}]', {"code": 3}),
        ('{"type": "error", "message": "m"}', {"type": "error", "message": "m"}),
        ("[" * 100_000, {"message": "a chunk of the stream is no JSON", "code": 502}),
        ('{"error": "bad"}', {"message": "bad"}),
        ('{"object": "error", "message": "m"}', {"object": "error", "message": "m"}),
        ('{"message": "m", "code": 5}', {"message": "m", "code": 5}),
        ('{"message": "m"}', None),
        ('{"message": 7, "code": 5}', None),
        ('{"message": "m", "code": 5, "choices": []}', None),
        ('{"choices": [{"error": {"code": 1}}]}', {"code": 1}),
        ('{"error": {"code": 2}, "choices": [{"error": {"code": 1}}]}', {"code": 2}),
        (
            '{"choices": [{"finish_reason": "error"}]}',
            {"message": "finish_reason error (None)", "code": 502},
        ),
    ],
)
def test_an_error_is_found_wherever_it_stands(event: str, error: Json | None) -> None:
    assembler = Assembler()
    assembler.feed_data(event)

    assert assembler.error == error


def test_the_last_of_several_errors_and_finish_reasons_counts() -> None:
    assembler = Assembler()
    assembler.feed({"error": {"code": 1}})
    assembler.feed({"error": {"code": 2}})
    assembler.feed(chunk({}, finish_reason="stop"))

    assert assembler.error == {"code": 2}
    assembler.feed(chunk({}, finish_reason="length", error={"code": 3}))
    assert assembler.error == {"code": 3}
    assert assembler.answer().finish_reason == "length"


@pytest.mark.parametrize("odd", [7, True, ["x"]])
def test_a_finish_reason_that_is_no_word_is_written_as_one(odd: object) -> None:
    assembler = Assembler()
    assembler.feed(chunk({}, finish_reason=odd, native_finish_reason=odd))
    answer = assembler.answer()

    assert (answer.finish_reason, answer.native_finish_reason) == (str(odd), str(odd))


def test_an_earlier_error_is_kept_over_junk_and_a_finish_reason() -> None:
    assembler = Assembler()
    assembler.feed({"error": {"code": 429}})
    assembler.feed_data("rubbish")
    assembler.feed(chunk({}, finish_reason="error"))

    assert assembler.error == {"code": 429}


def test_usage_is_taken_from_any_chunk_and_the_last_counts() -> None:
    assembler = Assembler()
    assembler.feed({"usage": {"total_tokens": 1}, "choices": []})
    assembler.feed({**chunk({}), "usage": {"total_tokens": 2}})
    assembler.feed({"usage": None})

    assert assembler.answer().usage == {"total_tokens": 2}


# -- tool calls ------------------------------------------------------------------------------------


def fragments(assembler: Assembler, *deltas: Json) -> list[ToolCallFragment]:
    return [piece for delta in feed(assembler, *deltas) if delta for piece in delta.fragments]


def test_a_call_is_put_together_from_its_fragments() -> None:
    assembler = Assembler()
    shown = fragments(
        assembler,
        call(index=0, id="c1", name="add", arguments=""),
        call(index=0, arguments='{"a"'),
        call(index=1, id="c2", name="sub", arguments='{"b": 2}'),
        call(index=0, name="add", arguments=": 1}"),
    )

    assert shown == [
        ToolCallFragment(0, "c1", "add", ""),
        ToolCallFragment(0, None, None, '{"a"'),
        ToolCallFragment(1, "c2", "sub", '{"b": 2}'),
        ToolCallFragment(0, None, None, ": 1}"),
    ]
    assert assembler.answer().tool_calls == (
        ToolCall("c1", "add", '{"a": 1}'),
        ToolCall("c2", "sub", '{"b": 2}'),
    )


def test_a_name_may_come_after_the_first_fragment() -> None:
    assembler = Assembler()
    shown = fragments(assembler, call(index=0, id="c1"), call(index=0, name="add", arguments="[]"))

    assert shown[1] == ToolCallFragment(0, None, "add", "[]")
    assert assembler.answer().tool_calls == (ToolCall("c1", "add", "[]"),)


def test_another_id_at_the_same_index_begins_another_call() -> None:
    assembler = Assembler()
    fragments(
        assembler,
        call(index=0, id="c1", name="f", arguments="{}"),
        call(index=0, id="c2", name="g", arguments="{"),
        call(index=0, arguments="}"),
    )

    assert assembler.answer().tool_calls == (ToolCall("c1", "f", "{}"), ToolCall("c2", "g", "{}"))


def test_without_an_index_an_id_tells_the_calls_apart() -> None:
    assembler = Assembler()
    shown = fragments(
        assembler,
        call(id="c1", name="f", arguments="{"),
        call(id="c2", name="g", arguments="{"),
        call(id="c1", arguments="}"),
        call(arguments="}"),
    )

    assert [piece.index for piece in shown] == [0, 1, 0, 1]
    assert assembler.answer().tool_calls == (ToolCall("c1", "f", "{}"), ToolCall("c2", "g", "{}"))


def test_without_id_and_index_a_name_after_whole_arguments_begins_another_call() -> None:
    assembler = Assembler()
    fragments(
        assembler,
        call(name="f", arguments='{"a"'),
        call(name="f", arguments=": 1}"),
        call(name="f", arguments="{}"),
    )

    assert [(c.name, c.arguments) for c in assembler.answer().tool_calls] == [
        ("f", '{"a": 1}'),
        ("f", "{}"),
    ]


def test_a_repeated_id_with_its_name_is_still_the_same_call() -> None:
    assembler = Assembler()
    fragments(
        assembler,
        call(index=0, id="c1", name="f", arguments="{}"),
        call(index=0, id="c1", name="f", arguments=" "),
    )

    assert assembler.answer().tool_calls == (ToolCall("c1", "f", "{} "),)


def test_an_id_that_comes_late_belongs_to_the_call_but_changes_no_id_that_was_shown() -> None:
    assembler = Assembler()
    shown = fragments(
        assembler,
        call(index=0, name="f"),
        call(index=0, id="late", arguments="{}"),
        call(index=0, id="other", name="g", arguments="{}"),
    )

    assert shown[0].id == f"{MADE}_0"
    assert assembler.answer().tool_calls == (
        ToolCall(f"{MADE}_0", "f", "{}"),
        ToolCall("other", "g", "{}"),
    )


def test_calls_without_usable_ids_get_ids_of_their_own() -> None:
    assembler = Assembler()
    fragments(
        assembler,
        call(index=0, id="", name="f"),
        call(index=1, id=7, name="g"),
        call(index=2, id="same", name="h"),
        call(index=3, id="same", name="i"),
    )

    assert [c.id for c in assembler.answer().tool_calls] == [
        f"{MADE}_0",
        f"{MADE}_1",
        "same",
        f"{MADE}_3",
    ]


def test_arguments_that_are_an_object_are_written_as_json() -> None:
    assembler = Assembler()
    fragments(assembler, call(name="f", arguments={"a": 1}))

    assert assembler.answer().tool_calls[0].arguments == '{"a": 1}'


def test_a_fragment_without_a_function_adds_nothing_to_its_call() -> None:
    assembler = Assembler()
    shown = fragments(assembler, {"tool_calls": [{"index": 0, "function": None}, "odd"]})

    assert shown == [ToolCallFragment(0, f"{MADE}_0", None, "")]


SAID: Json = {"choices": [{"delta": {"content": "hi"}}]}
USED: Json = {"choices": [], "usage": {"total_tokens": 9}}


@pytest.mark.parametrize(
    ("chunks", "complete"),
    [
        ([SAID, USED], True),
        ([SAID, USED, {"choices": []}], True),
        ([SAID, USED, SAID, USED], True),
        ([SAID], False),
        ([USED, SAID], False),
        ([USED], False),
        ([SAID, USED, SAID], False),
        ([SAID, {"choices": [], "usage": None}], False),
        ([SAID, {"choices": [], "usage": {}}], False),
        ([SAID, {"choices": [{"delta": {}}], "usage": {"total_tokens": 9}}], False),
        ([SAID, {"usage": {"total_tokens": 9}}], True),
        ([SAID, {**USED, "error": {"message": "x", "code": 502}}], False),
        ([SAID, USED, {"choices": [{"delta": {"tool_calls": [call(id="c", name="f")]}}]}], False),
    ],
)
def test_usage_after_the_text_is_an_end(chunks: list[Json], complete: bool) -> None:
    assembler = Assembler()
    for chunk in chunks:
        assembler.feed(chunk)

    assert assembler.answer().complete is complete
    assert not assembler.finished, "more may come"
