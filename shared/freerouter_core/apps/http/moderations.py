"""`POST /v1/moderations`: OpenAI's API, over free safety classifiers."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence

from fastapi import APIRouter, HTTPException, Request

from ...client.router import Router
from ...errors import BadRequest, FreeRouterError
from ...guards.moderation import MAX_CLASSIFIERS, NO_DEMANDS, read_classifier
from ...wire.moderations import Judged, read_moderation, write_moderation
from ..as_json import JsonObject
from .route import GetRouter, read_json, unless_disconnected

NONE_LISTED = (
    "no provider lists a free safety classifier, so nothing can be judged; a provider that has one"
    " (OpenRouter, NVIDIA) must be among those of the service"
)


def add_routes(paths: APIRouter, get_router: GetRouter) -> None:
    @paths.post("/v1/moderations")
    async def moderations(request: Request) -> JsonObject:
        texts, router = read_moderation(await read_json(request)), get_router()
        models = await asyncio.to_thread(router.safety_classifiers)
        names = [model.id for model in models][:MAX_CLASSIFIERS]
        if not names:
            raise HTTPException(501, NONE_LISTED)
        work = _judge_all(router, names, texts)
        model, judged = await unless_disconnected(request, work)
        return write_moderation(f"modr-{uuid.uuid4().hex}", model, judged)


async def _judge_all(
    router: Router, names: list[str], texts: Sequence[str]
) -> tuple[str, list[Judged]]:
    """(the last classifier that answered, the verdicts), one text after the other."""
    verdicts = [await _judge(router, names, text) for text in texts]
    return verdicts[-1][0], [judged for _, judged in verdicts]


async def _judge(router: Router, names: list[str], text: str) -> tuple[str, Judged]:
    """The first classifier that gives a verdict, and its verdict."""
    failed: FreeRouterError | None = None
    for name in names:
        options = {**NO_DEMANDS, "model": name, "fallback_models": (), "guards": ()}
        classifier = router.with_options(**options)
        try:
            outcome = await classifier.achat([{"role": "user", "content": text}])
        except BadRequest:
            raise  # the text itself is the cause
        except FreeRouterError as error:
            failed = error
            continue
        safe, reason = read_classifier(outcome.text)
        if safe is not None:
            return name, Judged(safe, reason)
    raise failed or FreeRouterError("no safety classifier gave a verdict", hint="send it again")
