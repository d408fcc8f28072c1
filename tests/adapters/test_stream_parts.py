"""The parts of a stream: who speaks, calls that cannot run, objects that begin again."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessageChunk

from freerouter_core.simulator import SimModel, World
from freerouter_core.wire.answer import Answer
from freerouter_core.wire.delta import Delta
from freerouter_core.wire.tool_calls import InvalidToolCall, ToolCall, ToolCallFragment
from langchain_freerouter.outputs import ChunkWriter, to_message
from llamaindex_freerouter.responses import ResponseBuilder, to_response
from llamaindex_freerouter.tools import selections, with_one_call

from ..frameworks import langchain_model, langchain_weather, merged

INVALID = InvalidToolCall("c1", "delete_file", '{"path": "/home/me', "it was cut")
VALID = ToolCall("c0", "get_weather", '{"city": "Oslo"}')


def together(*deltas: Delta, names_model: bool = True) -> AIMessageChunk:
    """The deltas as LangChain merges their chunks."""
    writer = ChunkWriter(names_model=names_model)
    chunks = [chunk for delta in deltas if (chunk := writer.chunk(delta))]
    messages: list[Any] = [chunk.message for chunk in chunks]
    return merged(messages)


# -- who speaks ----------------------------------------------------------------------------------


def test_the_first_chunk_with_text_names_the_model() -> None:
    with World([SimModel("a/m:free", script=["empty"]), SimModel("b/m:free")]) as world:
        chunks = list(langchain_model(world).stream("hello"))
        whole = langchain_model(world).invoke("hello")

        assert chunks[0].response_metadata["model_name"] == "b/m:free"
        assert merged(chunks).response_metadata["model_name"] == "b/m:free"
        assert whole.response_metadata["model_name"]


def test_thoughts_name_nobody_as_another_may_answer() -> None:
    deltas = (Delta(reasoning="hm", model="a"), Delta(reasoning="hm", model="b"), Delta("x"))
    writer = ChunkWriter(names_model=True)
    chunks = [chunk.message for delta in deltas if (chunk := writer.chunk(delta))]

    assert [chunk.response_metadata.get("model_name") for chunk in chunks] == [None, None, "b"]
    assert "model_name" not in together(*deltas, names_model=False).response_metadata


# -- calls that cannot run -------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", ['{"path": "/home/me', '{"path": "/"}', "", "[1]"])
def test_an_invalid_call_of_a_stream_stays_invalid_in_langchain(arguments: str) -> None:
    """LangChain completes arguments that are cut."""
    call = InvalidToolCall("c1", "delete_file", arguments, "it was cut")
    message = together(Delta(tool_calls=(VALID,), invalid_calls=(call,)))

    assert [made["name"] for made in message.tool_calls] == ["get_weather"]
    assert [made["name"] for made in message.invalid_tool_calls] == ["delete_file"]
    assert "it was cut" in (message.invalid_tool_calls[0]["args"] or "")


@pytest.mark.parametrize(
    "arguments",
    ['{"path": "/home/me', '{"path": "a\\', '{"a": [1, ', '{"a": [{"b": "c]', '{"a": 1', "{}", "",
     '{"a": "}"}', '{"a": {"b": 1}, "c', "[1]"],
)  # fmt: skip
def test_an_invalid_call_stays_invalid_where_its_pieces_were_shown(arguments: str) -> None:
    call = InvalidToolCall("c1", "delete_file", arguments, "it was cut", shown=True)
    pieces = ToolCallFragment(0, "c1", "delete_file", arguments)
    message = together(Delta(fragments=(pieces,)), Delta(invalid_calls=(call,)))

    assert message.tool_calls == []
    assert [made["name"] for made in message.invalid_tool_calls] == ["delete_file"]


def test_an_invalid_call_of_a_whole_answer_has_its_reason_in_langchain() -> None:
    message = to_message(Answer(invalid_calls=(INVALID,)), {})

    assert message.tool_calls == []
    assert message.invalid_tool_calls[0]["error"] == "it was cut"
    assert message.invalid_tool_calls[0]["args"] == INVALID.arguments
    assert [block["type"] for block in message.content_blocks] == ["invalid_tool_call"]


@pytest.mark.parametrize("streamed", [True, False])
def test_an_invalid_call_has_a_name_that_no_tool_has_in_llamaindex(streamed: bool) -> None:
    answer = Answer(tool_calls=(VALID,), invalid_calls=(INVALID,))
    response = to_response(answer, {})
    if streamed:
        builder = ResponseBuilder()
        builder.add(Delta(fragments=(ToolCallFragment(0, "c1", "delete_file", '{"path"'),)))
        response = builder.finish(answer, {})
    chosen = selections(response.message)

    assert [(one.tool_name, one.tool_kwargs) for one in chosen] == [
        ("get_weather", {"city": "Oslo"}),
        ("delete_file (it was cut)", {}),
    ]
    assert len(selections(with_one_call(response).message)) == 1
    only = with_one_call(to_response(Answer(invalid_calls=(INVALID, INVALID)), {}))
    assert [one.tool_name for one in selections(only.message)] == ["delete_file (it was cut)"]


def test_a_flawed_call_of_the_only_model_is_an_invalid_one() -> None:
    """Nobody else is left: LangChain gets the call as an invalid one, whole and streamed."""
    for streamed in (False, True):
        with World([SimModel("a/m:free", script=["truncated-tool"] * 9)]) as world:
            llm = langchain_model(world, max_retries=0).bind_tools([langchain_weather])
            message = merged(list(llm.stream("x"))) if streamed else llm.invoke("x")

            assert message.tool_calls == []
            assert [made["name"] for made in message.invalid_tool_calls] == ["delete_records"]


# -- objects that begin again --------------------------------------------------------------------


def test_a_text_that_begins_again_replaces_the_text_in_llamaindex() -> None:
    builder = ResponseBuilder()
    builder.add(Delta('{"name": "An'))
    response = builder.add(Delta('{"name"', restarts=True))

    assert response.message.content == '{"name"'
    assert response.additional_kwargs["restarts"] is True


def test_thoughts_of_models_that_failed_are_not_in_the_message() -> None:
    builder = ResponseBuilder()
    builder.add(Delta(reasoning="one's"))
    builder.add(Delta(reasoning="\n\nother's"))
    answer = Answer("x", reasoning="other's")

    told = builder.finish(answer, {"replaced": [{"what": "reasoning"}]}).message
    assert told.blocks[0].content == "other's"  # type: ignore[union-attr]
