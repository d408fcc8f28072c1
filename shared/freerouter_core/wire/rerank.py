"""`RerankRequest`: texts to be put in order by how well they answer a query."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import ClassVar

from ..catalogue.counts import count_words
from ..catalogue.model import Mode, Model
from ..catalogue.providers import Account
from ..catalogue.serving import Serving
from .answer import Answer, Ranked
from .cost import told_usage
from .embeddings import error_in, least_tokens_of, tokens_of
from .fault import Cause, Fault, Kind
from .json_values import Json, as_mapping
from .judge import judge_embedded
from .operation import Operation
from .paid import write_preferences
from .request import Lane
from .structured import Form
from .terms import Terms


@dataclass(frozen=True)
class RerankRequest(Operation):
    """A query, and the texts to rank. `model` and `timeout` (seconds) override the router's."""

    query: str
    texts: Sequence[str]
    _: KW_ONLY
    model: str | None = None
    timeout: float | None = None
    label: str = ""
    lane: Lane | None = None

    mode: ClassVar[Mode] = "rerank"

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Tokens of each text together with the query, estimated high."""
        query = tokens_of(self.query)
        return tuple(query + tokens_of(text) for text in self.texts)

    @cached_property
    def least_tokens(self) -> int:
        """Tokens of the longest text together with the query, estimated low."""
        longest = max((least_tokens_of(text) for text in self.texts), default=0)
        return least_tokens_of(self.query) + longest

    def path(self, model: Model) -> str:
        return (model.serving or Serving()).path or "/rerank"

    def body(self, model: Model, account: Account, terms: Terms) -> tuple[Json, Form | None]:
        serving = model.serving or Serving()
        body: Json = {"model": model.wire_name}
        if serving.wording == "nvidia":
            body["query"] = {"text": self.query}
            body["passages"] = [{"text": text} for text in self.texts]
        else:
            body["query"], body["documents"] = self.query, list(self.texts)
        body |= {name: value for name, value in serving.fields if model.takes(name)}
        if account.dialect == "openrouter":
            write_preferences(body, terms)
        return body, None

    def read(self, payload: object, model: Model) -> Answer:
        error, body = error_in(payload), as_mapping(payload)
        answer = Answer(
            model=str(body.get("model") or model.wire_name),
            usage=told_usage(body, {}),
            error=error,
        )
        return answer if error is not None else answer.with_(ranking=_ranking_in(payload))

    def judge(
        self, answer: Answer, now: float, *, pieced: bool = False
    ) -> tuple[Answer, Fault | None]:
        """The ranking, the most relevant text first; and what is wrong with it."""
        if answer.error is not None:
            return answer, judge_embedded(answer.error, now)
        problem = ranking_problem(answer.ranking, len(self.texts))
        if problem is not None:
            return answer, Fault(Kind.BROKEN, Cause.NO_RANKING, problem)
        ranking = tuple(sorted(answer.ranking, key=lambda r: (-r.score, r.index)))
        return answer.with_(ranking=ranking, finish_reason="stop"), None


def ranking_problem(ranking: Sequence[Ranked], count: int) -> str | None:
    """Why a ranking is none of so many texts; None: it is one."""
    indices = [ranked.index for ranked in ranking]
    if sorted(indices) != list(range(count)):
        return f"ranked {len(set(indices))} of {count_words(count, 'text')}"
    if not all(math.isfinite(ranked.score) for ranked in ranking):
        return "a score is no number"
    return None


def _ranking_in(payload: object) -> tuple[Ranked, ...]:
    """A ranking in any recorded shape: Cohere's and Jina's `results`, Voyage's `data`, NVIDIA's
    `rankings`, Cloudflare's `result.response`, or a bare list. Rows that are none are left out."""
    if isinstance(payload, Mapping):
        result = as_mapping(payload.get("result"))
        rows = next(
            (
                found
                for found in (
                    *(payload.get(name) for name in ("results", "data", "rankings", "response")),
                    result.get("response"),
                )
                if isinstance(found, list)
            ),
            [],
        )
    else:
        rows = payload if isinstance(payload, list) else []
    return tuple(ranked for row in rows if (ranked := _ranked(row)) is not None)


def _ranked(row: object) -> Ranked | None:
    row = as_mapping(row)
    index = row.get("index", row.get("id"))
    scores = (row.get(name) for name in ("relevance_score", "score", "logit"))
    score = next((value for value in scores if isinstance(value, (int, float))), None)
    if not isinstance(index, int) or isinstance(index, bool) or score is None:
        return None
    return Ranked(index, float(score))
