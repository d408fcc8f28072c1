"""Refusals as public reports quote them: of gateways in China, of local servers, of proxies. Which
cause each has, how long it lasts; and that no envelope around the same words changes that."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from freerouter_core.wire.fault import Cause, Fault
from freerouter_core.wire.json_values import Json
from freerouter_core.wire.judge import judge_rejection
from freerouter_core.wire.rejection import read_rejection

NOW = 1_795_953_600.0
"""2026-11-29 12:00:00 UTC."""
FILE = Path(__file__).parent.parent / "answers" / "reported_refusals.json"
REFUSALS: list[Json] = json.loads(FILE.read_text(encoding="utf-8"))
"""Each with its source: the report, or the kind of server. `wait`: seconds that it states."""
each = pytest.mark.parametrize("said", REFUSALS, ids=[row["name"] for row in REFUSALS])


def judged(said: Json, body: Any) -> Fault:
    content = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
    rejection = read_rejection(said["status"], said.get("headers", {}), content.encode())
    return judge_rejection(rejection, NOW)


@each
def test_a_reported_refusal_means_what_it_says(said: Json) -> None:
    fault = judged(said, said["body"])

    assert fault.cause is Cause(said["cause"])
    if "wait" in said:
        assert fault.until is not None
        assert fault.until - NOW == pytest.approx(said["wait"], abs=0.1)
    assert said.get("limit", fault.limit) == fault.limit
    assert said.get("context", fault.context) == fault.context
    assert said.get("says", "").lower() in fault.message.lower()


ENVELOPES: dict[str, Callable[[Json], Any]] = {
    "as JSON in a message": lambda body: {"error": {"message": json.dumps(body)}},
    "in an array": lambda body: [body],
    "in a detail": lambda body: {"detail": body},
    "in a list of errors": lambda body: {"errors": [body.get("error", body)]},
    "beside a success": lambda body: {"success": False, "error": body.get("error", body)},
    "behind words": lambda body: f"HTTP error: {json.dumps(body, ensure_ascii=False)}",
    "as JSON of JSON": lambda body: json.dumps(json.dumps(body)),
}


@each
def test_no_envelope_changes_what_a_refusal_means(said: Json) -> None:
    body = said["body"]
    for name, put in ENVELOPES.items() if isinstance(body, dict) else ():
        assert judged(said, put(body)).cause is Cause(said["cause"]), name
