"""`FreeRouterRerank`: nodes in the order in which they answer a query."""

from __future__ import annotations

from llama_index.core.bridge.pydantic import ConfigDict, Field
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import MetadataMode, NodeWithScore, QueryBundle

import freerouter_core
from freerouter_core.client.embedding.adapter_options import TextsOptions
from freerouter_core.client.embedding.embedded import Reranked
from freerouter_core.errors import BadRequest, forgets_locals


class FreeRouterRerank(TextsOptions, BaseNodePostprocessor):
    """Free rerankers, with failover from one to the next; where none is usable, a chat model
    judges.

    Example:
        ```python
        from llamaindex_freerouter import FreeRouterRerank

        engine = index.as_query_engine(
            similarity_top_k=20, node_postprocessors=[FreeRouterRerank(top_n=3)]
        )
        ```

    `last` tells the model that ranked last, and whether that was a reranker or a chat model
    (`last.by`).
    """

    model_config = ConfigDict(defer_build=False)

    api_key: str | None = Field(default=None, exclude=True, repr=False)
    """OpenRouter's key; else `OPENROUTER_API_KEY`."""
    top_n: int | None = Field(default=3, gt=0)
    """How many nodes are kept. None: all."""
    chat: bool = True
    """Whether a chat model may judge if no reranker is usable."""
    _last: Reranked | None = None

    @classmethod
    def class_name(cls) -> str:
        return "FreeRouterRerank"

    @property
    def last(self) -> Reranked | None:
        """The last ranking."""
        return self._last

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        query = _query(query_bundle)
        if not nodes:
            return []
        self._last = self._router.rerank(
            query, _texts(nodes), model=self.model, top_n=self.top_n, chat=self.chat
        )
        return _ordered(nodes, self._last)

    async def _apostprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        query = _query(query_bundle)
        if not nodes:
            return []
        self._last = await self._router.arerank(
            query, _texts(nodes), model=self.model, top_n=self.top_n, chat=self.chat
        )
        return _ordered(nodes, self._last)

    @property
    @forgets_locals
    def _router(self) -> freerouter_core.Router:
        return self.make_router(self.api_key)


def _query(bundle: QueryBundle | None) -> str:
    if bundle is None:
        raise BadRequest(
            "ranking needs a query", hint="pass query_str= or query_bundle= to postprocess_nodes"
        )
    return bundle.query_str


def _texts(nodes: list[NodeWithScore]) -> list[str]:
    return [node.node.get_content(metadata_mode=MetadataMode.EMBED) for node in nodes]


def _ordered(nodes: list[NodeWithScore], ranked: Reranked) -> list[NodeWithScore]:
    return [NodeWithScore(node=nodes[place.index].node, score=place.score) for place in ranked]
