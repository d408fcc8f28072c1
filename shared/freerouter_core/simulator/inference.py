"""`Inference`: what a model generates for a request, with its timing and prompt cache."""

from __future__ import annotations

import json
from random import Random

from ..catalogue.model import Mode
from .encoding import Completion, encode, encode_stream, truncate
from .faults import FaultContext
from .models import SimModel
from .responder import Reply, compose
from .response import Json, TimedResponse
from .vectors import answer_texts, texts_of, tokens_of


class Inference:
    """Generates answers. Remembers which prompts were marked for caching."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._cached_prompts: set[tuple[str, str]] = set()

    def context(
        self, model: SimModel, request: Json, *, number: int, now: float, mode: Mode = "chat"
    ) -> FaultContext:
        """What a fault may use of the world's request `number`."""
        stream = request.get("stream") is True
        response_id = f"gen-{number}-{self._rng.randrange(16**8):08x}"
        first_token = model.first_token * self._jitter(model)

        def chunk(
            finish: str | None = None,
            usage: Json | None = None,
            logprobs: Json | None = None,
            **delta: object,
        ) -> Json:
            choice = {
                "index": 0,
                "delta": {"role": "assistant", **delta},
                "finish_reason": finish,
                "native_finish_reason": finish,
                "logprobs": logprobs,
            }
            body: Json = {
                "id": response_id,
                "provider": "Simulated",
                "model": model.id,
                "object": "chat.completion.chunk",
                "created": int(now),
                "system_fingerprint": None,
                "choices": [choice],
            }
            return body if usage is None else body | {"usage": usage}

        def answer() -> TimedResponse:
            if mode != "chat":
                return answer_texts(model, request, first_token, rerank=mode == "rerank")
            reply, finish_reason = truncate(_reply(model, request), request)
            messages = json.dumps(request.get("messages", []))
            completion = Completion(
                reply=reply,
                finish_reason=finish_reason,
                logprobs=model.logprobs and bool(request.get("logprobs")),
                request=request,
                messages=messages,
                model=model.id,
                id=response_id,
                first_token=first_token,
                speed=model.speed * self._jitter(model),
                cache_hit=self._cache_hit(model, messages),
            )
            return encode_stream(completion, chunk) if stream else encode(completion)

        texts = texts_of(request) if mode == "embedding" else ()
        return FaultContext(
            texts=tuple(tokens_of(text) for text in texts if isinstance(text, str)),
            model=model.id,
            stream=stream,
            now=now,
            first_token=first_token,
            answer=answer,
            chunk=chunk,
        )

    def _cache_hit(self, model: SimModel, messages: str) -> bool:
        """Whether an earlier request marked this prompt for caching. Remembers the mark."""
        if '"cache_control"' not in messages:
            return False
        hit = (model.id, messages) in self._cached_prompts
        self._cached_prompts.add((model.id, messages))
        return hit

    def _jitter(self, model: SimModel) -> float:
        """A random factor within ±`model.jitter`."""
        return 1 + model.jitter * (2 * self._rng.random() - 1)


def _reply(model: SimModel, request: Json) -> Reply:
    calls = model.calls(request) if model.calls is not None and request.get("tools") else None
    if calls is not None:
        request = {**request, "tools": ()}
    reply = compose(request, model.id, reasons=model.reasoning)
    if calls:
        return Reply(calls=tuple(calls), reasoning=reply.reasoning)
    if model.says is None or reply.calls:
        return reply
    text = model.says(request)
    return reply if text is None else Reply(text, reasoning=reply.reasoning)
