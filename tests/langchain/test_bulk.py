"""`ChatFreeRouter.bulk`: rows as LangChain knows inputs, results as messages and objects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.prompt_values import StringPromptValue

from freerouter_core import errors
from freerouter_core.simulator import SimModel, World

from ..frameworks import Person, langchain_model


def echo(body: dict[str, Any]) -> str:
    return f"re: {body['messages'][-1]['content']}"


def test_rows_are_what_invoke_takes_and_values_are_messages(tmp_path: Path) -> None:
    rows: list[Any] = [
        "text",
        [SystemMessage("short"), HumanMessage("messages")],
        [("human", "pair")],
        StringPromptValue(text="prompt value"),
        ("named", "tuple"),
        ("chat", [HumanMessage("named messages")]),
        {"id": "row", "prompt": "mapping", "data": {"n": 1}},
    ]
    with World([SimModel("a/x:free", says=echo)]) as world:
        job = langchain_model(world).bulk(rows, tmp_path / "a.job", order="given")
        assert job.progress().total == len(rows)
        results = list(job)
        asked = [seen.body["messages"] for seen in world.requests]

    assert [result.id for result in results] == ["0", "1", "2", "3", "named", "chat", "row"]
    assert all(isinstance(result.value, AIMessage) for result in results)
    assert [result.value.content for result in results] == [
        f"re: {said}"
        for said in ["text", "messages", "pair", "prompt value", "tuple", "named messages"]
    ] + ["re: mapping"]
    assert results[0].value.response_metadata["model_name"] == "a/x:free"
    assert results[0].value.usage_metadata["total_tokens"] > 0
    assert results[-1].data == {"n": 1}
    assert any(messages[0] == {"role": "system", "content": "short"} for messages in asked)


def test_a_row_that_cannot_be_asked_fails_alone_and_a_second_run_asks_nobody(
    tmp_path: Path,
) -> None:
    rows: list[Any] = ["first", 5, ("none", None), [object()], {"id": "empty"}, "last"]
    with World([SimModel("a/x:free", says=echo)]) as world:
        first = list(langchain_model(world).bulk(rows, tmp_path / "a.job", order="given"))
        again = list(langchain_model(world).bulk(rows, tmp_path / "a.job", order="given"))
        assert len(world.requests) == 2

    assert [result.ok for result in first] == [True, False, False, False, False, True]
    assert all(result.value is None and result.error for result in first if not result.ok)
    assert {result.error_type for result in first if not result.ok} == {"BadRequest"}
    assert [result.value for result in again] == [result.value for result in first]


@pytest.mark.parametrize("schema", [Person, Person.model_json_schema()])
def test_values_are_objects_of_the_schema_also_when_read_again(schema: Any, tmp_path: Path) -> None:
    with World([SimModel("a/x:free", says=lambda _: '{"name": "Ann", "age": 33}')]) as world:
        llm = langchain_model(world)
        for _ in range(2):
            (result,) = llm.bulk(["Who?"], tmp_path / "a.job", schema=schema)
            found = result.value if isinstance(result.value, dict) else result.value.model_dump()
            assert found["name"] == "Ann"
            assert isinstance(result.value, dict) is isinstance(schema, dict)
        assert len(world.requests) == 1


def test_a_validator_of_the_job_is_asked_with_a_schema_and_without(tmp_path: Path) -> None:
    def no_bob(answer: Any) -> None:
        if "Bob" in answer.text:
            raise ValueError("no Bob")

    models = [
        SimModel("a/x:free", says=lambda _: '{"name": "Bob", "age": 3}'),
        SimModel("b/x:free", says=lambda _: '{"name": "Ann", "age": 33}'),
    ]
    with World(models) as world:
        llm = langchain_model(world)
        for name, schema in [("a", None), ("b", Person)]:
            rows = [f"Who is {n}?" for n in range(6)]
            job = llm.bulk(rows, tmp_path / name, schema=schema, validate=no_bob)
            assert {result.model for result in job} == {"b/x:free"}


def test_an_option_that_makes_no_sense_is_told_at_once(tmp_path: Path) -> None:
    with World([SimModel("a/x:free")]) as world, pytest.raises(errors.BadSetting, match="attempts"):
        langchain_model(world).bulk(["x"], tmp_path / "a.job", attempts=0)
