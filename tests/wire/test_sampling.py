"""What sampling parameters may hold."""

from __future__ import annotations

from typing import Any

import pytest

from freerouter_core.errors import BadRequest
from freerouter_core.wire.sampling import checked

RIGHT: dict[str, Any] = {
    "temperature": 2,
    "top_p": 0.0,
    "top_k": -1,
    "seed": -7,
    "top_logprobs": 20,
    "logprobs": False,
    "stop": ["a", "b"],
    "logit_bias": {"1734": -100},
    "modalities": ["text", "audio"],
    "other": object(),
}
WRONG = [
    ("temperature", 2.1),
    ("temperature", "0.5"),
    ("temperature", float("nan")),
    ("top_p", True),
    ("frequency_penalty", -3),
    ("top_k", 1.5),
    ("seed", 10**30),
    ("seed", False),
    ("logprobs", 1),
    ("stop", 5),
    ("stop", ["a", None]),
    ("modalities", "text"),
    ("modalities", [None]),
    ("logit_bias", ["1734"]),
    ("logit_bias", {"1734": "-1"}),
    ("logit_bias", {"1734": True}),
]


def test_what_is_right_stays_as_it_is() -> None:
    assert checked(RIGHT) is RIGHT
    assert checked({"stop": "a"}) == {"stop": "a"}


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_what_is_wrong_is_told_by_name(name: str, value: object) -> None:
    with pytest.raises(BadRequest, match=f"^{name} must be") as raised:
        checked({name: value})
    assert "no model was asked" in str(raised.value) or raised.value.hint != (
        BadRequest.default_hint
    ), "nobody else has refused it"
