"""OpenAI's legacy completions over chat models: each prompt is what a user says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ..errors import BadRequest
from .answer import Answer
from .json_values import Json, JsonMapping
from .openai import ClientRequest, read_request
from .openai_answer import added_usage, finish_reason

MOST_PROMPTS = 16
"""Prompts of one request."""
_NOT_SERVED = {
    "suffix": "chat models cannot fill a gap; put the question into words",
    "logprobs": "/v1/chat/completions has them, from models that give them",
}
"""Fields that are refused, with hints."""
_OF_CHAT = ("messages", "tools", "tool_choice", "response_format", "n")
"""Fields of chat completions that this API has not, or has in another way."""


class CompletionsRequest(NamedTuple):
    """A client's request: a chat for each prompt. `echo`: the prompts stand before their texts."""

    chats: tuple[ClientRequest, ...]
    prompts: tuple[str, ...]
    echo: bool

    @property
    def n(self) -> int:
        """Answers to each prompt."""
        return self.chats[0].n


def read_completions(body: object) -> CompletionsRequest:
    """The request in a client's body. Raises `BadRequest`."""
    if not isinstance(body, Mapping):
        raise BadRequest("the body must be a JSON object")
    for name, hint in _NOT_SERVED.items():
        if body.get(name):
            raise BadRequest(f"{name} is not served", hint=hint)
    n = body.get("n") or 1
    if body.get("best_of") not in (None, n):
        raise BadRequest("best_of must be n: answers are not compared", hint="leave it out")
    prompts = _prompts(body.get("prompt"))
    fields: dict[str, Any] = {k: v for k, v in body.items() if k not in _OF_CHAT}
    chats = [
        read_request({**fields, "n": n, "messages": [{"role": "user", "content": prompt}]})
        for prompt in prompts
    ]
    return CompletionsRequest(tuple(chats), prompts, body.get("echo") is True)


def _prompts(prompt: object) -> tuple[str, ...]:
    prompts = [prompt] if isinstance(prompt, str) else prompt
    if not isinstance(prompts, list) or not prompts:
        raise BadRequest("prompt must be a text or a list of texts")
    if len(prompts) > MOST_PROMPTS:
        raise BadRequest(f"a request has at most {MOST_PROMPTS} prompts", hint="send several")
    if not all(isinstance(one, str) for one in prompts):
        raise BadRequest(
            "prompts of tokens are not served: each model has tokens of its own", hint="send text"
        )
    return tuple(prompts)


class TextCompletion(NamedTuple):
    """Writes the completion of one request. `created`: unix seconds."""

    ident: str
    created: int

    def whole(self, texts: list[tuple[str, Answer]], metadata: list[JsonMapping]) -> Json:
        """The completion. `texts`: what stands before each answer, and the answer."""
        choices = [
            self._choice(index, before + answer.text, finish_reason(answer))
            for index, (before, answer) in enumerate(texts)
        ]
        usage = added_usage(answer.usage for _, answer in texts)
        told = {"usage": usage, "freerouter": {"answers": [dict(one) for one in metadata]}}
        return self._head(texts[0][1].model, choices) | told

    def chunk(self, index: int, text: str, model: str) -> Json:
        """A piece of a stream."""
        return self._head(model, [self._choice(index, text, None)])

    def last(self, index: int, answer: Answer) -> Json:
        """The end of one answer of a stream."""
        return self._head(answer.model, [self._choice(index, "", finish_reason(answer))])

    def usage(self, answers: list[Answer]) -> Json:
        """The usage of a stream, in a chunk without choices."""
        used = added_usage(answer.usage for answer in answers)
        return self._head(answers[-1].model, []) | {"usage": used}

    def _head(self, model: str, choices: list[Json]) -> Json:
        return {
            "id": self.ident,
            "object": "text_completion",
            "created": self.created,
            "model": model,
            "choices": choices,
        }

    @staticmethod
    def _choice(index: int, text: str, reason: str | None) -> Json:
        return {"text": text, "index": index, "logprobs": None, "finish_reason": reason}
