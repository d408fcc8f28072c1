"""LlamaIndex messages on the wire, and answers as LlamaIndex messages."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any, cast

import pytest
from llama_index.core.base.llms.types import (
    AudioBlock,
    BaseContentBlock,
    ChatMessage,
    DocumentBlock,
    ImageBlock,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)

from freerouter_core.errors import BadRequest
from freerouter_core.simulator import SimModel, World
from freerouter_core.wire.answer import Answer
from llamaindex_freerouter.responses import to_response

from ..frameworks import llamaindex_model, llamaindex_weather, raw_of


def test_media_are_sent_to_a_model_that_takes_them() -> None:
    blocks = [
        TextBlock(text="what?"),
        ImageBlock(image=b"\x89PNG\r\n\x1a\n00", image_mimetype="image/png"),
    ]
    models = [
        SimModel("a/blind:free", context=900_000),
        SimModel("b/m:free", inputs=("text", "image", "audio", "file")),
    ]
    with World(models) as world:
        llm = llamaindex_model(world)
        llm.chat([ChatMessage(blocks=blocks)])
        llm.chat([ChatMessage(blocks=[AudioBlock(audio=b"RIFF", format="wav")])])
        llm.chat(
            [
                ChatMessage(
                    blocks=[
                        DocumentBlock(
                            data=b"%PDF", title="a.pdf", document_mimetype="application/pdf"
                        )
                    ]
                )
            ]
        )
        llm.chat(
            [
                ChatMessage(
                    blocks=[
                        DocumentBlock(
                            url="https://x.test/a.pdf", document_mimetype="application/pdf"
                        )
                    ]
                )
            ]
        )

        assert world.asked == ["b/m:free"] * 4
        assert not any(seen.problem for seen in world.requests)


def test_an_answer_has_its_images_sounds_and_sources() -> None:
    answer = Answer(
        text="look",
        images=({"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},),
        audio={"id": "1", "data": "aGk=", "transcript": "hi"},
        annotations=({"type": "url_citation", "url_citation": {"url": "https://a.example"}},),
    )
    response = to_response(answer, {})
    text, picture, sound = response.message.blocks

    assert isinstance(text, TextBlock)
    assert isinstance(picture, ImageBlock)
    assert picture.resolve_image().read() == b"hi"
    assert isinstance(sound, AudioBlock)
    assert response.message.additional_kwargs["annotations"] == list(answer.annotations)
    assert raw_of(response)["choices"][0]["message"]["images"] == list(answer.images)
    json.dumps(response.raw)


def test_images_and_sounds_that_a_model_made_are_not_sent_back() -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}
    message = to_response(Answer(text="look", images=(picture,)), {}).message
    sound = to_response(
        Answer(audio={"id": "1", "data": "aGk=", "transcript": "hello"}), {}
    ).message
    with World([SimModel("a/m:free")]) as world:
        llamaindex_model(world).chat(
            [ChatMessage("x"), message, ChatMessage("y"), sound, ChatMessage("z")]
        )

        assert [m["content"] for m in world.requests[0].body["messages"]] == [
            "x",
            "look",
            "y",
            "hello",
            "z",
        ]
    assert any(isinstance(block, ImageBlock) for block in message.blocks)
    assert sound.content == "hello"


def test_messages_survive_pickle_and_json() -> None:
    with World([SimModel("a/m:free", reasoning=True)]) as world:
        llm = llamaindex_model(world)
        message = llm.chat_with_tools([llamaindex_weather], "get_weather in Rome").message

    for again in (
        pickle.loads(pickle.dumps(message)),
        ChatMessage.model_validate_json(message.model_dump_json()),
    ):
        assert [type(block) for block in again.blocks] == [ThinkingBlock, ToolCallBlock]
        assert again.additional_kwargs == message.additional_kwargs


class Hologram(BaseContentBlock):
    """A block that nobody knows."""

    block_type: str = "hologram"


def test_a_block_that_nobody_knows_becomes_words() -> None:
    message = ChatMessage("look")
    message.blocks = [TextBlock(text="look"), cast("TextBlock", Hologram())]
    with World([SimModel("a/m:free")]) as world:
        llamaindex_model(world).chat([message])

        content = world.requests[0].body["messages"][0]["content"]
    assert content == "look\n[A block of the type Hologram was left out.]"


def test_a_picture_that_cannot_be_read_is_an_error_of_the_tree(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(b"x")
    picture = ImageBlock(path=file)
    file.unlink()
    with World([SimModel("a/m:free", inputs=("text", "image"))]) as world:
        llm = llamaindex_model(world)
        with pytest.raises(BadRequest, match="cannot be put on the wire"):
            llm.chat([ChatMessage(blocks=[picture])])


def test_objects_beside_the_messages_are_refused() -> None:
    """run-llama/llama_index#15689: they used to be sent as their text."""
    with World([SimModel("a/m:free")]) as world:
        llm = llamaindex_model(world)
        options: list[dict[str, Any]] = [
            {"image_documents": [ImageBlock(image=b"x")]},
            {"guards": []},
            {"n": 2},
        ]
        for option in options:
            with pytest.raises(BadRequest, match=next(iter(option))):
                llm.complete("what is this?", **option)
        assert not world.requests
