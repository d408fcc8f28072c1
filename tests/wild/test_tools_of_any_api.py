"""Tools in the words of Anthropic, Gemini and others are offered to the model that answers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from freerouter_core.wire.request import ChatRequest

from .replies import call
from .row import hosts
from .wires import WildWire

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
CHOICES = [{"type": "tool", "name": "get_weather"}, {"type": "function", "name": "get_weather"}]


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize(
    "tool",
    [
        {"name": "get_weather", "input_schema": SCHEMA},
        {"type": "function", "name": "get_weather", "parameters": SCHEMA},
        {"name": "get_weather", "inputSchema": SCHEMA, "annotations": {"readOnlyHint": True}},
        {"functionDeclarations": [{"name": "get_weather", "parameters": SCHEMA}]},
        {"toolSpec": {"name": "get_weather", "inputSchema": {"json": SCHEMA}}},
    ],
)
def test_a_tool_of_any_api_is_offered_and_called(tool: dict[str, Any], choice: Any) -> None:
    wire = WildWire(hosts(acme={"a/x": call("get_weather", '{"city": "Oslo"}')}))
    request = ChatRequest.of("Tell me").but(tools=[tool], tool_choice=choice)
    try:
        answer = wire.router().chat(request).answer
    finally:
        wire.close()

    (called,) = answer.tool_calls
    assert json.loads(called.arguments) == {"city": "Oslo"}
    (offered,) = wire.bodies[-1]["tools"]
    assert offered == {
        "type": "function",
        "function": {"name": "get_weather", "parameters": SCHEMA},
    }
    assert wire.bodies[-1]["tool_choice"]["function"] == {"name": "get_weather"}
