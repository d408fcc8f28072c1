"""What holds in every situation, also in those that nobody thought of: rows, mutated at random."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freerouter_core import errors

from .mutations import mutated, rechunked, with_somebody_healthy
from .replies import Reply, Wire
from .row import Call, Fails, Object, Row, Text
from .rows import ROWS
from .ways import WAYS, Got
from .wires import WildWire

pytestmark = pytest.mark.slow

MOST_REQUESTS = 60
"""Of one call, whatever comes."""
SMALL = [
    row
    for row in ROWS
    if sum(len(host.models) for host in row.wire) <= 10
    and not any(callable(script) for host in row.wire for script in host.models.values())
]
"""Rows whose replies are all known, and few."""
OPEN = [
    row
    for row in SMALL
    if row.policy.get("fallback_models") != () and "max_retries" not in row.policy
]
"""Rows whose caller lets any model follow."""

many = settings(max_examples=250, deadline=None)
seeds = st.integers(0, 2**32)


def runs(rows: list[Row]) -> st.SearchStrategy[tuple[Row, str]]:
    """Rows, each with one of the ways it runs in."""
    pairs = [(row, way) for row in rows for way in sorted(row.ways or WAYS)]
    return st.sampled_from(pairs)


def asked(row: Row, way: str) -> tuple[Got | errors.FreeRouterError, WildWire]:
    """What came of one call, and of whom it was asked. Another exception is a failure."""
    wire = WildWire(row.wire)
    try:
        policy = {**row.policy, "strategy": "context"}
        return WAYS[way](wire.router(**policy), row.ask), wire
    except errors.FreeRouterError as error:
        return error, wire
    finally:
        wire.close()


@many
@given(runs(SMALL), seeds)
def test_nothing_leaves_the_tree_and_nothing_is_made_up(run: tuple[Row, str], seed: int) -> None:
    """No exception of another kind, no text that no single reply says, no call that no reply
    completes, no key shown, no endless call."""
    row, way = run
    came, wire = asked(mutated(row, Random(seed)), way)

    assert len(wire.asked) <= MOST_REQUESTS
    assert not wire.strays
    if isinstance(came, Got):
        assert said_by_one(row, came.text), came.text
        for called in came.calls:
            assert called in complete_calls(row), called
        if came.value is not None and isinstance(row.want, Object):
            assert came.value in (row.want.value, Object().value)
    else:
        assert "key-of-" not in str(came) + str(came.hint)
        assert came.hint
        if isinstance(came, errors.StreamBroken):
            assert said_by_one(row, came.partial), came.partial


@many
@given(runs(OPEN), seeds, st.booleans())
def test_no_call_ends_early_while_somebody_healthy_is_left(
    run: tuple[Row, str], seed: int, named: bool
) -> None:
    """Unless text was shown already, our own check found the request wrong before it was sent, or
    models of two accounts prove it. `named`: all models of the row were named, so that each of them
    is asked before the healthy one."""
    row, way = run
    if named and "model" not in row.policy:
        names = [f"{host.provider}:{model}" for host in row.wire for model in host.models]
        names.append("healthy:sound/sound-1")
        row = replace(row, policy={**row.policy, "model": names[0], "fallback_models": names[1:]})
    came, _ = asked(with_somebody_healthy(mutated(row, Random(seed))), way)

    if isinstance(came, errors.FreeRouterError):
        refusing = {a["provider"] for a in came.attempts if a["fault"] in ("refused", "unfit")}
        wrong = isinstance(came, (errors.Refused, errors.BadRequest))
        proved = wrong and (len(refusing) > 1 or not came.attempts)
        assert proved or isinstance(came, errors.StreamBroken), repr(came)


@many
@given(runs(SMALL), seeds)
def test_the_pieces_in_which_bytes_come_change_nothing(run: tuple[Row, str], seed: int) -> None:
    row, way = run
    expected, _ = asked(row, way)
    came, _ = asked(rechunked(row, Random(seed)), way)

    if isinstance(expected, Got):
        assert isinstance(came, Got), came
        assert (came.text, came.calls, came.value) == (
            expected.text,
            expected.calls,
            expected.value,
        )
    else:
        assert type(came) is type(expected)


# -- what the replies of a row say -------------------------------------------------------------


def replies_of(row: Row) -> Iterator[Reply]:
    for host in row.wire:
        for script in host.models.values():
            if isinstance(script, Reply):
                yield script
            elif not callable(script):
                yield from script


def objects_in(wire: Wire) -> Iterator[Mapping[str, Any]]:
    """The JSON objects of a body, or of a stream's events."""
    text = wire.content.decode("utf-8", "replace")
    parts = [text, *(line.partition(":")[2] for line in text.splitlines() if line[:4] == "data")]
    for part in parts:
        try:
            value = json.loads(part)
        except ValueError:
            continue
        if isinstance(value, dict):
            yield value


def messages_of(row: Row) -> Iterator[tuple[str, list[Any]]]:
    """(content, tool calls) of each reply to a whole call and to a stream, before any mutation."""
    for reply in replies_of(row):
        for wire in (reply.whole, reply.streamed):
            text, calls = "", dict[Any, list[str]]()
            for body in objects_in(wire):
                choice: Mapping[str, Any] = next(iter(body.get("choices") or [{}]), {})
                delta, whole = choice.get("delta") or {}, choice.get("message") or {}
                text += _text(delta.get("content"))
                for n, call in enumerate(delta.get("tool_calls") or ()):
                    function = call.get("function") or {}
                    at = calls.setdefault(call.get("index", n), ["", ""])
                    at[0] += function.get("name") or ""
                    arguments = function.get("arguments") or ""
                    at[1] += arguments if isinstance(arguments, str) else json.dumps(arguments)
                if whole:
                    yield (
                        _text(whole.get("content")),
                        [
                            [call["function"]["name"], call["function"].get("arguments")]
                            for call in whole.get("tool_calls") or ()
                        ],
                    )
            yield text, list(calls.values())


def _text(content: Any) -> str:
    if isinstance(content, list):
        return "".join(_text(part.get("text")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""


def said_by_one(row: Row, text: str) -> bool:
    """Whether one reply says this text, or begins so: nothing twice, nothing of two models."""
    texts = ["hi", *(text for text, _ in messages_of(row))]
    for want in (row.want, row.streamed, row.first):
        texts += [want.text] if isinstance(want, Text) else []
        texts += [want.partial or ""] if isinstance(want, Fails) else []
    return any(text.strip() in said for said in texts)


def complete_calls(row: Row) -> list[tuple[str, Mapping[str, Any]]]:
    """The calls that some reply makes from its beginning to its end."""
    calls: list[tuple[str, Mapping[str, Any]]] = [("get_weather", {"city": "Oslo"})]
    for want in (row.want, row.streamed, row.first):
        calls += [(want.name, dict(want.arguments))] if isinstance(want, Call) else []
    for _, called in messages_of(row):
        for name, arguments in called:
            try:
                value = arguments if isinstance(arguments, dict) else json.loads(arguments or "{}")
            except ValueError:
                continue
            calls.append((name, value or {}))
    return calls
