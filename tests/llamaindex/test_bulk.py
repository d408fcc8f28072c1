"""`FreeRouter.bulk`: rows as LlamaIndex knows prompts and chats, results as responses and
objects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage, ChatResponse

from freerouter_core.simulator import SimModel, World

from ..frameworks import Person, llamaindex_model


def echo(body: dict[str, Any]) -> str:
    return f"re: {body['messages'][-1]['content']}"


def test_rows_are_prompts_or_chats_and_values_are_responses(tmp_path: Path) -> None:
    rows: list[Any] = [
        "text",
        [ChatMessage(role="system", content="short"), ChatMessage("chat")],
        ("named", "tuple"),
        ("chat", [ChatMessage("named chat")]),
        {"id": "row", "prompt": "mapping", "data": [1]},
    ]
    with World([SimModel("a/x:free", says=echo)]) as world:
        job = llamaindex_model(world).bulk(rows, tmp_path / "a.job", order="given")
        assert job.progress().total == len(rows)
        results = list(job)

    assert [result.id for result in results] == ["0", "1", "named", "chat", "row"]
    assert all(isinstance(result.value, ChatResponse) for result in results)
    said = ["text", "chat", "tuple", "named chat", "mapping"]
    assert [result.value.message.content for result in results] == [f"re: {text}" for text in said]
    assert results[-1].data == [1]


def test_a_row_that_cannot_be_asked_fails_alone_and_a_second_run_asks_nobody(
    tmp_path: Path,
) -> None:
    rows: list[Any] = ["first", 5, ("none", None), [object()], {"id": "empty"}, "last"]
    with World([SimModel("a/x:free", says=echo)]) as world:
        first = list(llamaindex_model(world).bulk(rows, tmp_path / "a.job", order="given"))
        again = list(llamaindex_model(world).bulk(rows, tmp_path / "a.job", order="given"))
        assert len(world.requests) == 2

    assert [result.ok for result in first] == [True, False, False, False, False, True]
    assert {result.error_type for result in first if not result.ok} == {"BadRequest"}
    assert (
        [r.text for r in again] == [r.text for r in first] == ["re: first", *[""] * 4, "re: last"]
    )


@pytest.mark.parametrize("schema", [Person, Person.model_json_schema()])
def test_values_are_objects_of_the_schema_also_when_read_again(schema: Any, tmp_path: Path) -> None:
    with World([SimModel("a/x:free", says=lambda _: '{"name": "Ann", "age": 33}')]) as world:
        llm = llamaindex_model(world)
        for _ in range(2):
            (result,) = llm.bulk(["Who?"], tmp_path / "a.job", schema=schema)
            found = result.value if isinstance(result.value, dict) else result.value.model_dump()
            assert found["name"] == "Ann"
            assert isinstance(result.value, dict) is isinstance(schema, dict)
        assert len(world.requests) == 1
