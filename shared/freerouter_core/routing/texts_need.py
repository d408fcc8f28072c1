"""`need_of_texts`: what a request about texts asks of a model.

It is apart from `need`, which adapters import: what judges answers is loaded by those who send.
"""

from __future__ import annotations

from ..wire.embeddings import EmbedRequest
from ..wire.rerank import RerankRequest
from .need import Need


def need_of_texts(request: EmbedRequest | RerankRequest) -> Need:
    """The need of a request about texts."""
    return Need(
        prompt_tokens=sum(request.sizes),
        least_tokens=request.least_tokens,
        output_tokens=0,
        limit=0,
        mode=request.mode,
        sizes=request.sizes,
        space=request.space if isinstance(request, EmbedRequest) else None,
    )
