"""Mutations of rows: the same situations in other statuses, words, shapes and pieces."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Any

from .replies import HI, PERSON, Reply, Wire, answer, call
from .row import Host, Object, Row, Script

STATUSES = (
    400,
    401,
    402,
    403,
    404,
    405,
    408,
    409,
    413,
    418,
    422,
    425,
    429,
    451,
    500,
    502,
    503,
    529,
)
WORDS = ("unexpected", "quota", "null", "modell", "résumé", "\u2028", "refusal", "429", "[]", "%s")


def mutated(row: Row, rng: Random) -> Row:
    """The row, with replies of its hosts mutated. What is healthy stays healthy or is cut."""
    return _changed(row, lambda wire: _wire(wire, rng))


def rechunked(row: Row, rng: Random) -> Row:
    """The row, its bytes in other pieces."""
    return _changed(row, lambda wire: _rechunked(wire, rng))


def _changed(row: Row, change: Callable[[Wire], Wire]) -> Row:
    def of(script: Script) -> Script:
        if isinstance(script, Reply):
            return Reply(change(script.whole), change(script.streamed))
        return (
            script
            if callable(script)
            else [Reply(change(r.whole), change(r.streamed)) for r in script]
        )

    hosts = [
        replace(host, models={name: of(script) for name, script in host.models.items()})
        for host in row.wire
    ]
    return replace(row, wire=hosts)


def with_somebody_healthy(row: Row) -> Row:
    """The row, and one more account with a model that does what is asked. It comes last."""
    return replace(row, wire=[*row.wire, Host("healthy", {"sound/sound-1": healthy(row)})])


def healthy(row: Row) -> Reply:
    """What a healthy model answers."""
    ask = row.ask
    if isinstance(row.want, Object):
        return answer(json.dumps(row.want.value))
    if ask.schema is not None:
        return PERSON
    if ask.tools:
        return call(ask.tools[0].__name__, {"city": "Oslo"})
    return HI


def _wire(wire: Wire, rng: Random) -> Wire:
    change = rng.choice(_ALWAYS if 200 <= wire.status < 300 or wire.fails else _OF_REFUSALS)
    return change(wire, rng)


# -- of anything -----------------------------------------------------------------------------------


def _same(wire: Wire, rng: Random) -> Wire:
    return wire


def _rechunked(wire: Wire, rng: Random) -> Wire:
    """The same bytes in other pieces."""
    if not all(isinstance(piece, bytes) for piece in wire.pieces):
        return wire
    content, pieces = wire.content, []
    while content:
        size = rng.choice((1, 2, 3, 7, 40, 1_000))
        pieces.append(content[:size])
        content = content[size:]
    return replace(wire, pieces=tuple(pieces))


def _truncated(wire: Wire, rng: Random) -> Wire:
    """The same bytes, and then no more; as an end or as a cut."""
    content = wire.content
    kept = content[: rng.randrange(len(content) + 1)]
    return replace(wire, pieces=(kept,), fails=rng.choice(("", "cut")))


# -- of refusals -----------------------------------------------------------------------------------


def _another_status(wire: Wire, rng: Random) -> Wire:
    return replace(wire, status=rng.choice(STATUSES))


def _of_body(change: Callable[[Any, Random], Any]) -> Callable[[Wire, Random], Wire]:
    """A mutation of the JSON in a body; of others the status changes."""

    def mutate(wire: Wire, rng: Random) -> Wire:
        try:
            body = json.loads(wire.content)
        except ValueError:
            return _another_status(wire, rng)
        return replace(wire, pieces=(json.dumps(change(body, rng)).encode(),))

    return mutate


def _shuffled_words(value: Any, rng: Random) -> Any:
    match value:
        case str():
            words = value.split()
            rng.shuffle(words)
            return " ".join(words)
        case dict():
            return {key: _shuffled_words(inner, rng) for key, inner in value.items()}
        case list():
            return [_shuffled_words(inner, rng) for inner in value]
    return value


def _other_words(value: Any, rng: Random) -> Any:
    match value:
        case str():
            return " ".join(rng.choice((word, word, rng.choice(WORDS))) for word in value.split())
        case dict():
            return {key: _other_words(inner, rng) for key, inner in value.items()}
        case list():
            return [_other_words(inner, rng) for inner in value]
    return value


def _other_keys(value: Any, rng: Random) -> Any:
    """Keys dropped, renamed and added, at every level."""
    match value:
        case dict():
            kept = {key: _other_keys(v, rng) for key, v in value.items() if rng.random() < 0.8}
            return {**kept, rng.choice(WORDS): rng.choice((None, 7, [], {}))}
        case list():
            return [_other_keys(inner, rng) for inner in value]
    return value


def _other_types(value: Any, rng: Random) -> Any:
    """Values of other types, here and there."""
    if rng.random() < 0.3:
        return rng.choice((None, True, -1, 1e308, "", [], {}, [None], {"message": None}))
    match value:
        case dict():
            return {key: _other_types(inner, rng) for key, inner in value.items()}
        case list():
            return [_other_types(inner, rng) for inner in value]
    return value


def _wrapped(value: Any, rng: Random) -> Any:
    """The same error in another shape."""
    inner: Any = value.get("error", value) if isinstance(value, Mapping) else value
    shapes: Sequence[Callable[[Any], Any]] = (
        lambda e: [{"error": e}],
        lambda e: {"detail": e},
        lambda e: {"errors": [e]},
        lambda e: {"error": {"message": json.dumps({"error": e})}},
        lambda e: {"error": {"message": "Provider returned error", "metadata": {"raw": e}}},
        lambda e: {"error": {"error": {"error": e}}},
        lambda e: {"success": False, "result": None, "errors": [e], "messages": []},
        lambda e: {"object": "error", **(e if isinstance(e, dict) else {"message": e})},
        lambda e: json.dumps(e),
    )
    return rng.choice(shapes)(inner)


_ALWAYS = (_same, _same, _rechunked, _rechunked, _truncated)
_OF_REFUSALS = (
    *_ALWAYS,
    _another_status,
    _another_status,
    *map(_of_body, (_shuffled_words, _other_words, _other_keys, _other_types, _wrapped, _wrapped)),
)
