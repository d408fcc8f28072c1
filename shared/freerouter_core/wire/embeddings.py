"""`EmbedRequest`: texts whose vectors are wanted, all of one space.

One request asks a provider for the first texts, as many as it takes at once; whoever embeds a whole
list asks for the rest with the next one. The first text may be a known one: its vector must be that
of the space, or the provider serves another model under the same name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import ClassVar

from ..catalogue.counts import count_words
from ..catalogue.model import Mode, Model
from ..catalogue.providers import Account
from ..catalogue.serving import MAX_FLOATS, InputType, Serving, Space
from ..errors import BadRequest
from .answer import Answer, Vector
from .cost import told_usage
from .envelope import error_told
from .fault import Cause, Fault, Kind
from .json_values import Json, as_mapping
from .judge import judge_embedded
from .operation import Operation
from .paid import write_preferences
from .request import Lane
from .structured import Form
from .terms import Terms
from .vectors import NoVector, cosine, read_vector, unit

BYTES_PER_TOKEN = 3.5
"""For the high estimate of a text's tokens."""
MAX_BYTES_PER_TOKEN = 5.5
"""For the low estimate: even a frugal tokenizer makes a token of so many bytes."""
ALIKE = 0.999
"""The least cosine of two vectors of one text in one space. Rounding and other hardware stay far
above it, another model, another prefix or a coarse quantisation do not."""
MAX_CUT = 0.5
"""Who counts less than this part of the low estimate of the tokens has cut texts in silence."""
CREDIBLE = 16
"""Tokens a text that a provider must count to be believed: some count texts, or nothing."""


@dataclass(frozen=True)
class EmbedRequest(Operation):
    """Texts to embed, of one kind, and the space that their vectors must be of.

    `probes`: the first text is the known one. `known`: its vector, if somebody has told it.
    `model` and `timeout` (seconds) override the router's.
    """

    texts: Sequence[str]
    space: Space
    _: KW_ONLY
    kind: InputType = "document"
    known: Vector | None = None
    probes: bool = False
    model: str | None = None
    timeout: float | None = None
    label: str = ""
    lane: Lane | None = None

    mode: ClassVar[Mode] = "embedding"
    max_values: ClassVar[int] = MAX_FLOATS + 10_000

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Tokens of each text, estimated high."""
        return tuple(tokens_of(text) for text in self.texts)

    @cached_property
    def least_tokens(self) -> int:
        """Tokens of the longest text, estimated low."""
        return max((least_tokens_of(text) for text in self.texts), default=0)

    def path(self, model: Model) -> str:
        return _serving(model).path or "/embeddings"

    def body(self, model: Model, account: Account, terms: Terms) -> tuple[Json, Form | None]:
        serving = _serving(model)
        texts = list(self.texts[: self.taken_by(model)])
        prefix = self.space.prefix(self.kind)
        if prefix and not serving.prefixed:
            texts = [prefix + text for text in texts]
        body: Json = {"model": model.wire_name}
        body["texts" if serving.wording == "cohere" else "input"] = texts
        if serving.base64 and model.takes("encoding_format"):
            body["encoding_format"] = "base64"
        if self.space.resized:
            body[serving.dimensions_field] = self.space.dimension
        if serving.type_field and model.takes(serving.type_field):
            asked = serving.query_type if self.kind == "query" else serving.document_type
            body[serving.type_field] = asked
        body |= {name: value for name, value in serving.fields if model.takes(name)}
        if account.dialect == "openrouter":
            write_preferences(body, terms)
        return body, None

    def read(self, payload: object, model: Model) -> Answer:
        error = error_in(payload)
        body = as_mapping(payload)
        usage = told_usage(body, {}) or _cohere_usage(body)
        answer = Answer(model=str(body.get("model") or model.wire_name), usage=usage, error=error)
        if error is not None:
            return answer
        try:
            found, asked = _vectors_in(payload), self.taken_by(model)
            if len(found) != asked:
                raise NoVector(
                    f"for {count_words(asked, 'text')} came {count_words(len(found), 'vector')}"
                )
            if None in found:  # half of it failed: what follows is asked for again
                found = found[: found.index(None)]
                if self.probes and len(found) == 1:
                    raise NoVector("no text has a vector")
            return answer.with_(vectors=tuple(map(read_vector, found)))
        except NoVector as problem:
            return answer.with_(refusal=str(problem))

    def judge(
        self, answer: Answer, now: float, *, pieced: bool = False
    ) -> tuple[Answer, Fault | None]:
        """The vectors with the length 1, without that of the known text; and what is wrong."""
        if answer.error is not None:
            return answer, judge_embedded(answer.error, now)
        if answer.refusal:
            return answer, Fault(Kind.BROKEN, Cause.NO_VECTORS, answer.refusal)
        if not answer.vectors:
            return answer, Fault(Kind.BROKEN, Cause.EMPTY, "no vectors")
        try:
            vectors = tuple(map(unit, answer.vectors))
        except NoVector as problem:
            return answer, Fault(Kind.BROKEN, Cause.NO_VECTORS, str(problem))
        wanted = self.space.dimension or len(vectors[0])
        for vector in vectors:
            if len(vector) != wanted:
                message = f"a vector has {len(vector)} dimensions, not {wanted}"
                return answer, Fault(Kind.GONE, Cause.OTHER_SPACE, message)
        if self.known is not None:
            likeness = cosine(vectors[0], self.known)
            if not likeness >= ALIKE:  # NaN is not alike
                message = (
                    f"serves another model than {self.space.name} under that name: a known text's"
                    f" vector has a cosine of {likeness:.3f} with the right one"
                )
                return answer, Fault(Kind.GONE, Cause.OTHER_SPACE, message)
        told, least = _told_tokens(answer.usage), self._least(len(vectors))
        if CREDIBLE * len(vectors) <= told < MAX_CUT * least:
            message = f"counted {told} tokens in texts that have {least} at least: they were cut"
            return answer, Fault(Kind.UNFIT, Cause.TEXT_CUT, message, teaches=False)
        return answer.with_(vectors=vectors, finish_reason="stop"), None

    def _least(self, count: int) -> int:
        return sum(map(least_tokens_of, self.texts[:count]))

    def taken_by(self, model: Model) -> int:
        """How many of the texts a model takes at once."""
        return _serving(model).takes(self.sizes, self.space.dimension)


def tokens_of(text: str) -> int:
    """A text's tokens, estimated high."""
    return int(_bytes(text) / BYTES_PER_TOKEN) + 1


def least_tokens_of(text: str) -> int:
    """A text's tokens, estimated low."""
    return int(_bytes(text) / MAX_BYTES_PER_TOKEN)


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))


def check_texts(texts: object, what: str = "texts") -> tuple[str, ...]:
    """Texts to embed or to rank. Raises `BadRequest`, which names the first that is none."""
    if isinstance(texts, str):
        raise BadRequest(f"{what} is one text", hint=f"pass a list: [{what}]")
    if not isinstance(texts, Sequence):
        raise BadRequest(f"{what} must be a list of texts, not {type(texts).__name__}")
    for n, text in enumerate(texts):
        if not isinstance(text, str):
            raise BadRequest(
                f"{what}[{n}] is no text but {type(text).__name__}", hint="pass strings"
            )
        if not text.strip():
            raise BadRequest(
                f"{what}[{n}] is empty: it has no meaning, and no vector",
                hint="leave it out",
            )
    return tuple(texts)


def error_in(payload: object) -> Json | None:
    """An error inside a response that claimed success."""
    if not isinstance(payload, Mapping):
        if isinstance(payload, list):
            return None
        return {"message": "the response is no JSON object"}
    return error_told(payload) if payload.get("error") else None


def _serving(model: Model) -> Serving:
    return model.serving or Serving()


def _told_tokens(usage: Json | None) -> int:
    tokens = (usage or {}).get("prompt_tokens")
    return tokens if isinstance(tokens, int) else 0


def _cohere_usage(body: Mapping[str, object]) -> Json | None:
    billed = as_mapping(as_mapping(body.get("meta")).get("billed_units"))
    tokens = billed.get("input_tokens")
    return {"prompt_tokens": tokens, "total_tokens": tokens} if isinstance(tokens, int) else None


def _vectors_in(payload: object) -> list[object]:
    """What should be the vectors, in the order of the texts. Raises `NoVector`.

    OpenAI has `data` with objects, Cohere and Ollama `embeddings`, Cloudflare's own endpoint
    `result.data`, others a bare list.
    """
    if isinstance(payload, Mapping):
        result = as_mapping(payload.get("result"))
        found = payload.get("data", payload.get("embeddings", result.get("data")))
        if isinstance(found, Mapping):  # Cohere names them by their type
            found = found.get("float", next(iter(found.values()), None))
    else:
        found = payload
    if not isinstance(found, list):
        raise NoVector("there are no vectors in the answer")
    if not all(isinstance(row, Mapping) for row in found):
        return list(found)
    return _in_order(found)


def _in_order(rows: list[Mapping[str, object]]) -> list[object]:
    """The embeddings of rows by their index, if they have one. Raises `NoVector`."""
    indices = [row.get("index") for row in rows]
    if all(index is None for index in indices):
        return [row.get("embedding") for row in rows]
    places: dict[int, object] = {}
    for index, row in zip(indices, rows, strict=True):
        if not isinstance(index, int) or not 0 <= index < len(rows) or index in places:
            raise NoVector("the answer does not say which vector is which text's")
        places[index] = row.get("embedding")
    return [places[n] for n in range(len(rows))]
