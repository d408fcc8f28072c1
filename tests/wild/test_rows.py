"""One table of wire situations. Each row runs through core, LangChain and LlamaIndex, whole and
streamed: what the caller gets, how many requests that takes, and what is learnt until when."""

from __future__ import annotations

import logging
import re
from collections import Counter

import pytest

from freerouter_core import Router, errors
from freerouter_core.reports import Candidacy

from .row import (
    Call,
    Doubted,
    Fails,
    Free,
    InvalidCall,
    Learnt,
    Object,
    Ready,
    Rests,
    Row,
    Text,
    Unfit,
    Waits,
    Want,
)
from .rows import ROWS
from .ways import STREAMED, WAYS, Got, request_of
from .wires import WildWire

RUNS = [(row, way) for row in ROWS for way in WAYS if not row.ways or way in row.ways]


@pytest.mark.parametrize(("row", "way"), RUNS, ids=[f"{r.name}-{w}" for r, w in RUNS])
def test_each_row_holds_in_every_way(row: Row, way: str, caplog: pytest.LogCaptureFixture) -> None:
    streamed = way in STREAMED
    want = row.streamed if streamed and row.streamed is not None else row.want
    limit = row.requests if row.streamed_requests is None or not streamed else row.streamed_requests
    wire = WildWire(row.wire)
    router = wire.router(**row.policy)
    with caplog.at_level(logging.WARNING, logger="freerouter"):
        for n in range(row.calls):
            if n:
                wire.clock.advance(row.every)
            expect(router, row, way, row.first if row.first is not None and not n else want)
    counts = Counter(name for asked in wire.asked for name in asked)

    assert not wire.strays
    assert len(wire.asked) <= limit, wire.asked
    for name, most in row.at_most.items():
        assert counts[name] <= most, f"{name}: {counts[name]} requests"
    if row.sent is not None:
        assert row.sent(wire.bodies[-1]) is not False, wire.bodies[-1]
    if row.warns:
        assert re.search(row.warns, caplog.text), caplog.text
    for lesson in row.learnt:
        check(lesson, router, row)
    wire.close()


def expect(router: Router, row: Row, way: str, want: Want) -> None:
    """Ask, and compare what came with what was wanted."""
    if isinstance(want, Fails):
        with pytest.raises(want.error) as caught:
            WAYS[way](router, row.ask)
        error = caught.value
        assert re.search(want.says, error.message, re.IGNORECASE | re.DOTALL), error.message
        assert re.search(want.hint, error.hint or "", re.IGNORECASE | re.DOTALL), error.hint
        if want.partial is not None:
            assert isinstance(error, errors.StreamBroken)
            assert error.partial == want.partial
        return
    compare(WAYS[way](router, row.ask), want)


def compare(got: Got, want: Want) -> None:
    calls = [(name, dict(arguments)) for name, arguments in got.calls]
    match want:
        case Text(text):
            assert (got.text, calls, [*got.invalid], got.value) == (text, [], [], None)
        case Call(name, arguments, text):
            assert calls == [(name, dict(arguments))]
            assert not got.invalid
            assert text is None or got.text == text
        case InvalidCall(name):
            assert not calls
            assert got.invalid if name is None else name in got.invalid
        case Object(value):
            assert got.value == value


def check(lesson: Learnt, router: Router, row: Row) -> None:
    """Look at what is known, through the public reports."""
    if isinstance(lesson, (Waits, Free)):
        waits = router.quota().waits
        if isinstance(lesson, Free):
            assert lesson.provider not in waits
            return
        because, seconds = waits[lesson.provider]
        assert re.search(lesson.because, because), because
        assert lesson.at_least <= seconds <= lesson.at_most, seconds
        return
    report = router.explain(request_of(row.ask))
    found = next(row for row in report.rows if _is(row, lesson.model))
    match lesson:
        case Rests(_, at_least, at_most):
            assert found.returns is not None, found.state_words
            assert at_least <= found.returns <= at_most, found.returns
        case Ready():
            assert found.usable, found.state_words
        case Unfit(_, reason):
            assert found.reason is not None, found.state_words
            assert re.search(reason, found.reason), found.reason
        case Doubted(_, chance):
            asked = found.health is not None and found.reason is None
            assert not asked or (found.chance or 0.0) <= chance, found.chance


def _is(candidacy: Candidacy, name: str) -> bool:
    return name in (candidacy.model.id, candidacy.model.wire_name)


def test_names_are_unique_and_sources_are_given() -> None:
    """K1 is an example of the page of kinds; "K1, sibling" and "kind: …" are ours."""
    names = [row.name for row in ROWS]
    of_the_page = [row for row in ROWS if re.fullmatch(r"K\d+", row.source)]
    source = r"K\d+(, sibling)?|kind: [\w ]+|[\w.-]+/[\w.-]+#\d+"

    assert len(set(names)) == len(names)
    assert all(re.fullmatch(source, row.source) for row in ROWS)
    assert len(of_the_page) <= len(ROWS) / 3
