"""Outcomes of the core as LangChain's results and chunks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

from freerouter_core.wire.delta import Delta

if TYPE_CHECKING:
    from freerouter_core import Outcome

from .messages import last_chunk, to_chunk, to_message


def result_of(outcome: Outcome) -> ChatResult:
    """A whole answer."""
    message = to_message(outcome.answer, outcome.metadata)
    info = {"finish_reason": outcome.answer.finish_reason}
    return ChatResult(
        generations=[ChatGeneration(message=message, generation_info=info)],
        llm_output={"model_name": outcome.answer.model},
    )


def chunk_of(delta: Delta) -> ChatGenerationChunk | None:
    """A piece of a stream; None where it shows nothing."""
    if not (delta.text or delta.reasoning or delta.tool_calls or delta.fragments):
        return None
    return ChatGenerationChunk(message=to_chunk(delta))


def end_of(outcome: Outcome, usage: bool) -> ChatGenerationChunk:
    """The chunk that ends a stream."""
    return ChatGenerationChunk(message=last_chunk(outcome.answer, outcome.metadata, usage=usage))
