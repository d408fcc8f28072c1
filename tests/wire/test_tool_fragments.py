"""Tool calls put together from fragments, however a server cuts, numbers or repeats them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from freerouter_core.wire.answer import read_answer
from freerouter_core.wire.stream import Assembler
from freerouter_core.wire.tool_calls import MAX_NAME, ToolCall, ToolCallAssembler, pieces_of

Fragment = dict[str, Any]


def piece(index: object = None, id: str | None = None, **function: Any) -> Fragment:
    """A fragment; what is None is left out."""
    parts = {"index": index, "id": id, "function": function}
    return {key: value for key, value in parts.items() if value is not None}


def put_together(*fragments: Fragment) -> list[tuple[str, str]]:
    assembler = ToolCallAssembler()
    for fragment in fragments:
        assembler.add(fragment, "gen-1")
    return [(call.name, call.arguments) for call in assembler.calls()]


ONE: list[tuple[str, list[Fragment]]] = [
    ("a new id without a name goes on with the call of its index",
     [piece(0, "A", name="f", arguments=""), piece(0, "B", arguments='{"a": 1}')]),
    ("a new id with each fragment, and the name again",
     [piece(0, "A", name="f", arguments='{"a"'), piece(0, "B", name="f", arguments=": 1}")]),
    ("a new id without a name or an index",
     [piece(None, "A", name="f", arguments='{"a"'), piece(None, "B", arguments=": 1}")]),
    ("no index and no id after the first",
     [piece(None, "A", name="f"), piece(arguments='{"a"'), piece(arguments=": 1}")]),
    ("nothing but a name and arguments", [piece(name="f", arguments='{"a": 1}')]),
    ("an index that is a string",
     [piece("0", "A", name="f", arguments='{"a"'), piece("0", arguments=": 1}")]),
    ("an index that is none",
     [piece(True, "A", name="f", arguments='{"a"'), piece("x", "A", arguments=": 1}")]),
    ("the name with every fragment",
     [piece(0, "A", name="f", arguments='{"a"'), piece(0, "A", name="f", arguments=": 1}")]),
    ("the name in pieces",
     [piece(0, "A", name=""), piece(0, name="f"), piece(0, arguments='{"a": 1}')]),
    ("an empty object after the arguments",
     [piece(0, "A", name="f", arguments='{"a": 1}'), piece(0, arguments="{}")]),
    ("null after the arguments",
     [piece(0, "A", name="f", arguments='{"a"'), piece(0, arguments=": 1}"),
      piece(0, arguments="null")]),
    ("no object around the function", [{"index": 0, "id": "A", "name": "f",
                                        "arguments": '{"a": 1}'}]),
    ("the arguments as an object", [piece(0, "A", name="f", arguments={"a": 1})]),
    ("an empty object before the arguments (Anthropic-like gateways)",
     [piece(0, "A", name="f", arguments="{}"), piece(0, arguments='{"a"'),
      piece(0, arguments=": 1}")]),
    ("all arguments once more at the end",
     [piece(0, "A", name="f", arguments='{"a"'), piece(0, arguments=": 1}"),
      piece(0, arguments='{"a": 1}')]),
    ("all arguments so far each time",
     [piece(0, "A", name="f", arguments='{"a"'), piece(0, arguments='{"a": 1}')]),
]  # fmt: skip


@pytest.mark.parametrize(("what", "fragments"), ONE, ids=[what for what, _ in ONE])
def test_one_call_stays_one(what: str, fragments: list[Fragment]) -> None:
    assert put_together(*fragments) == [("f", '{"a": 1}')]


WRONGLY_COUNTED: list[list[Fragment]] = [
    [piece(0, "A", name="f", arguments="{}"), piece(0, "B", name="g", arguments=""),
     piece(1, arguments="{}")],
    [piece(0, "A", name="f"), piece(1, "A", arguments="{}"), piece(2, "B", name="g"),
     piece(3, "B", name="g", arguments="{}")],
]  # fmt: skip


@pytest.mark.parametrize("fragments", WRONGLY_COUNTED)
def test_a_server_that_counts_wrongly_loses_no_arguments(fragments: list[Fragment]) -> None:
    """agno-agi/agno#8880: a call begins under the index of another and goes on under its own."""
    assert put_together(*fragments) == [("f", "{}"), ("g", "{}")]


TWO: list[tuple[str, list[Fragment]]] = [
    ("one index for whole calls (ollama/ollama#15457)",
     [piece(0, "A", name="f", arguments="{}"), piece(0, "B", name="g", arguments="{}")]),
    ("the same without ids",
     [piece(0, name="f", arguments="{}"), piece(0, name="g", arguments="{}")]),
    ("another id and another name before any arguments",
     [piece(0, "A", name="f"), piece(0, "B", name="g")]),
    ("no index, another id and name", [piece(None, "A", name="f"), piece(None, "B", name="g")]),
    ("no index, no id, another name",
     [piece(name="f", arguments="{}"), piece(name="g", arguments="{}")]),
    ("two indexes, interleaved",
     [piece(0, "A", name="f"), piece(1, "B", name="g"), piece(0, arguments="{}"),
      piece(1, arguments="{}")]),
    ("two ids, interleaved, without indexes",
     [piece(None, "A", name="f"), piece(None, "B", name="g"), piece(None, "A", arguments="{}"),
      piece(None, "B", arguments="{}")]),
]  # fmt: skip


@pytest.mark.parametrize(("what", "fragments"), TWO, ids=[what for what, _ in TWO])
def test_two_calls_stay_two(what: str, fragments: list[Fragment]) -> None:
    assert [(name, text or "{}") for name, text in put_together(*fragments)] == [
        ("f", "{}"),
        ("g", "{}"),
    ]


@pytest.mark.parametrize("size", [1, 4, 99])
@pytest.mark.parametrize("names", [("f", "f"), ("f", "g"), ("f", "f", "f")])
@pytest.mark.parametrize("again", [True, False])
def test_calls_of_one_id_and_several_indexes_stay_apart(
    size: int, names: tuple[str, ...], again: bool
) -> None:
    """Some servers use the name of the tool as the id of each of its calls."""
    texts = [json.dumps({"city": str(n) * 5}) for n in range(len(names))]
    fragments = []
    for n, (name, text) in enumerate(zip(names, texts, strict=True)):
        for at in range(0, len(text), size):
            told = {"name": name} if again or not at else {}
            fragments.append(piece(n, "A", **told, arguments=text[at : at + size]))

    assert put_together(*fragments) == list(zip(names, texts, strict=True))


def test_a_name_in_pieces_is_joined() -> None:
    assert put_together(piece(0, "A", name="get_"), piece(0, name="weather")) == [
        ("get_weather", "")
    ]
    assert put_together(piece(0, "A", name="get"), piece(0, name="get_it")) == [("get_it", "")]


@pytest.mark.parametrize(
    "pieces",
    [
        ['{"path": {"a":', " ", "{}"],
        ['{"path": "/home/me'],
        ['{"a": 1}', '{"b": 2}'],
        ['{"a": [', '{"b": 2}'],
        ['{"a": 1', '{"b": 2}'],
    ],
)
def test_what_was_cut_is_never_made_whole(pieces: list[str]) -> None:
    fragments = [piece(0, "A" if n == 0 else None, arguments=p) for n, p in enumerate(pieces)]
    (_, arguments), *others = put_together(*fragments)

    assert not others
    assert ToolCall("1", "f", arguments).parsed() is None


def test_calls_that_come_after_the_finish_reason_are_read() -> None:
    assembler = Assembler()
    assembler.feed({"choices": [{"delta": {"content": "x"}, "finish_reason": "tool_calls"}]})
    call = piece(0, "A", name="f", arguments="{}")
    assembler.feed({"choices": [{"delta": {"tool_calls": [call]}}]})

    assert [call.name for call in assembler.answer().tool_calls] == ["f"]


@pytest.mark.parametrize(
    ("message", "names"),
    [
        ({"function_call": {"name": "f", "arguments": "{}"}}, ["f"]),
        ({"function_call": {}}, []),
        ({"function_call": "f"}, []),
        ({"tool_calls": {"function": {"name": "g"}}}, ["g"]),
        ({"tool_calls": [], "function_call": None}, []),
    ],
)
def test_the_older_field_and_a_single_call_are_read(message: Any, names: list[str]) -> None:
    assert [piece["function"]["name"] for piece in pieces_of(message)] == names
    answer = read_answer({"choices": [{"message": message}]})
    assert [call.name for call in answer.tool_calls] == names


@pytest.mark.parametrize(
    ("arguments", "parsed", "plain"),
    [
        ("", {}, "{}"),
        ("null", {}, "{}"),
        ('"{\\"a\\": 1}"', {"a": 1}, '{"a": 1}'),
        (' {"a": 1}', {"a": 1}, ' {"a": 1}'),
        ('"{\\"a\\": "', None, '"{\\"a\\": "'),
        ('"x"', None, '"x"'),
        ("[1]", None, "[1]"),
        ('{"a": NaN}', None, '{"a": NaN}'),
        ('{"a": [{"b": -Infinity}]}', None, '{"a": [{"b": -Infinity}]}'),
        ('{"a": 1e999}', None, '{"a": 1e999}'),
        ('{"a": "NaN", "b": 1e300}', {"a": "NaN", "b": 1e300}, '{"a": "NaN", "b": 1e300}'),
        ('"{\\"a\\": NaN}"', None, '"{\\"a\\": NaN}"'),
    ],
)
def test_arguments_that_mean_an_object_are_one(arguments: str, parsed: Any, plain: str) -> None:
    call = ToolCall("1", "f", arguments)

    assert (call.parsed(), call.json_arguments) == (parsed, plain)


def test_a_name_does_not_grow_for_ever() -> None:
    fragments = [piece(0, "A", name="x" * 100)] + [piece(0, name=f"y{n}" * 50) for n in range(50)]
    ((name, _),) = put_together(*fragments)

    assert len(name) < 2 * MAX_NAME
