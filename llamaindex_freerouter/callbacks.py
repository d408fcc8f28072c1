"""LlamaIndex's event decorators with types: its own return `Any`, and hide what they decorate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback

Method = TypeVar("Method", bound=Callable[..., Any])


def chat_events(method: Method) -> Method:
    """Fire the events of a chat around `method`."""
    decorated: Method = llm_chat_callback()(method)
    return decorated


def completion_events(method: Method) -> Method:
    """Fire the events of a completion around `method`."""
    decorated: Method = llm_completion_callback()(method)
    return decorated
