"""Anthropic's SDK for Node, and the AI SDK's provider of its API, over a storm."""

from __future__ import annotations

from typing import Any

from .conftest import program
from .test_clients import CITY, FOUND, ROUNDS, SOURCES, TEXT, addresses, node, results_of

__all__ = ["addresses"]  # a fixture


def test_anthropics_clients_for_node(addresses: list[str]) -> None:
    folder = node()
    script = folder / "anthropic.mjs"
    script.write_text((SOURCES / "anthropic.mjs").read_text("utf-8"), "utf-8")

    results = results_of([program("node"), str(script), *addresses], folder)
    assert {"auto", "c/m:free"} <= set(results.pop("anthropic models"))
    errors = [results.pop(f"anthropic {name}") for name in ("error", "broken")]
    expected: dict[str, Any] = dict.fromkeys(("anthropic chat", "anthropic stream"), TEXT)
    several = ("anthropic tools", "anthropic tools streamed", "ai anthropic tools",
               "ai anthropic stream")  # fmt: skip
    expected |= {name: [ROUNDS, FOUND] for name in several}
    assert results == expected | {
        "anthropic beta": ["thinking", "text"],
        "anthropic count": True,
        "ai anthropic structured": CITY,
    }
    assert "at least one message" in errors[0]
    assert "api_error" in errors[1]
