"""`EmbedJob`: a whole list of texts, cut into requests, on the runtime's loop.

In order: the texts are checked; the space is chosen, or read from its record; vectors that are kept
are taken; the rest is asked for, some requests at a time. Each request goes through the engine, to
whichever provider of the space is best then, which takes as many of its texts as it takes at once.
What it did not take is asked for again. Vectors are kept as they come, so a job that is killed
costs nothing twice.

The known text travels as the first text of a request: always with many texts, and with few while
a provider has not proved lately that it serves the space.
"""

from __future__ import annotations

import asyncio
import math
import os
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from ...catalogue.counts import count_words
from ...catalogue.model import Catalogue, Model
from ...catalogue.serving import USUAL_BATCH, InputType, Space
from ...errors import (
    AttemptRecord,
    BadRequest,
    ContextTooLong,
    DeadlineExceeded,
    Exhausted,
    FreeRouterError,
    NoCandidates,
)
from ...events import log
from ...routing.plan import Outcome
from ...runtime.space_records import KNOWN_TEXT, SpaceRecord
from ...wire.answer import Vector
from ...wire.embeddings import EmbedRequest, check_texts, least_tokens_of, tokens_of
from ...wire.vectors import pooled
from ..context import Context
from .choose import unknown_model
from .embedded import Embedded
from .fewer_texts import fewer_texts
from .options import EmbedOptions
from .outvoted import outvoted
from .pieces import split_text
from .pinned_space import PinnedMeanwhile, PinnedSpace
from .texts_run import EmbedRun, models_of
from .vector_cache import KeptBytes, keep_vectors, kept_vectors

AT_ONCE = 4
"""Requests of one job under way."""
MANY = 20
"""Texts of a request with which the known text always travels: it costs little then."""
MAX_PROOFS = 3
"""Providers that are tried for the known text's vector as a query."""
PAUSES = (10.0, 20.0, 40.0)
"""Seconds to wait after requests that failed in a row, once one was answered."""
PROOF_LASTS = 600.0
"""Seconds for which a provider need not prove its space to requests of few texts."""


@dataclass
class _Tally:
    """What the answers came to."""

    providers: Counter[str] = field(default_factory=Counter)
    attempts: list[AttemptRecord] = field(default_factory=list)
    requests: int = 0
    tokens: int = 0
    simulated: bool = False


class EmbedJob:
    """Embeds `texts`. `cache` keeps vectors."""

    def __init__(
        self, context: Context, texts: Sequence[str], options: EmbedOptions, cache: KeptBytes
    ) -> None:
        self._context, self._options, self._cache = context, options, cache
        self._runtime = context.runtime
        pin = None if options.pin is None else os.fspath(options.pin)
        self._pinned = PinnedSpace(context, options.name, options.dimensions, pin)
        self._texts = check_texts(texts)
        self._vectors: dict[str, Vector] = {}
        self._todo: deque[str] = deque()
        self._tally = _Tally()
        self._catalogue = Catalogue()
        self._kept = 0
        self._pauses = deque(PAUSES)
        self._most = 0
        """Texts of one request besides the known one; 0: not known yet."""

    async def run(self) -> Embedded:
        """The vectors. Raises an error of the tree; what was embedded before it is kept."""
        await self._context.opened()
        while True:
            try:
                return await self._run()
            except PinnedMeanwhile:  # what came is of another space than the record's
                self._vectors.clear()
                self._todo.clear()
            except BadRequest as error:
                fewer = fewer_texts(error.message, self._most)
                if fewer is None:
                    raise
                self._most = fewer
                self._todo.clear()
            except (NoCandidates, Exhausted) as error:
                raise unknown_model(self._options.name, self._catalogue, error) or error from None

    async def _run(self) -> Embedded:
        self._catalogue = await models_of(self._context, "embedding", self._options.name)
        record = self._pinned.choose(self._catalogue)
        pieces = self._pieces(record.space)
        wanted = list(dict.fromkeys(piece for parts in pieces for piece in parts))
        if wanted:
            record = await self._embed(wanted, record)
        vectors = tuple(self._joined(parts) for parts in pieces)
        return Embedded(
            vectors=vectors,
            model=record.space.name,
            dimension=record.space.dimension,
            why=record.why,
            providers=dict(self._tally.providers),
            cached=self._kept,
            requests=self._tally.requests,
            tokens=self._tally.tokens,
            attempts=tuple(self._tally.attempts),
            simulated=self._tally.simulated,
        )

    # -- texts that are too long ------------------------------------------------------------------

    def _pieces(self, space: Space) -> list[tuple[str, ...]]:
        """Each text as it is asked for: whole, or in pieces."""
        most = max((model.context for model in self._serving(space)), default=space.tokens)
        parts: list[tuple[str, ...]] = []
        for n, text in enumerate(self._texts):
            if tokens_of(text) <= most:
                parts.append((text,))
            elif self._options.long == "split":
                parts.append(split_text(text, most))
            elif least_tokens_of(text) > most:
                raise ContextTooLong(
                    f"texts[{n}] has {least_tokens_of(text):,} tokens at least, and {space.name}"
                    f" takes {most:,}: it would be cut",
                    hint='cut it into chunks, or pass long="split" for the mean of its pieces',
                )
            else:
                parts.append((text,))
        return parts

    def _joined(self, parts: tuple[str, ...]) -> Vector:
        vectors = [self._vectors[part] for part in parts]
        return vectors[0] if len(parts) == 1 else pooled(vectors, map(len, parts))

    # -- asking -----------------------------------------------------------------------------------

    async def _embed(self, wanted: list[str], record: SpaceRecord) -> SpaceRecord:
        """Get the vectors of texts. Returns the record as it is then."""
        await self._take_kept(wanted, record)
        self._todo.extend(text for text in wanted if text not in self._vectors)
        if self._todo:
            record = await self._with_known(record)
        tasks: set[asyncio.Task[None]] = set()
        try:
            while self._todo or tasks:
                at_once = AT_ONCE if len(self._pauses) == len(PAUSES) else 1  # after a failure one
                while self._todo and len(tasks) < at_once:
                    tasks.add(asyncio.ensure_future(self._ask(self._batch(record), record)))
                done, tasks = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                failures = _failures_of(done)
                if failures and tasks:  # those under way may have met the same trouble
                    done, tasks = await asyncio.wait(tasks)
                    failures += _failures_of(done)
                await self._pause_after(failures)
        except FreeRouterError as error:
            self._tell_progress(error, len(wanted))
            raise
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return record

    async def _pause_after(self, failures: list[BaseException]) -> None:
        """Wait a while if requests of a job that had begun well fail: it outlives a bad minute of
        its only provider. Raises the first failure that waiting does not help, or the last one that
        came too often."""
        pause = 0.0
        for failure in failures:
            helps = self._wait_for(failure)
            if helps is None or not self._tally.requests or not self._pauses:
                raise failure
            pause = max(pause, helps, self._pauses[0])
        if failures:
            self._pauses.popleft()
            log.warning("embedding goes on in %.0f s: %s", pause, failures[0])
            await asyncio.sleep(pause)

    def _wait_for(self, failure: BaseException) -> float | None:
        """Seconds that a failure asks to wait for; None: waiting does not help, or not in time."""
        if isinstance(failure, DeadlineExceeded):
            return 0.0 if self._options.timeout is None else None
        if not isinstance(failure, Exhausted):
            return None
        if failure.retry_after is None:
            return None if failure.rate_limited else 0.0
        longest = self._context.resolved.max_wait
        return failure.retry_after if longest is None or failure.retry_after <= longest else None

    async def _take_kept(self, wanted: list[str], record: SpaceRecord) -> None:
        if record.known is not None:
            kind, dimension = self._kind(record.space), record.space.dimension
            missing = [text for text in wanted if text not in self._vectors]
            kept = await kept_vectors(self._cache, record.digest, kind, missing, dimension)
            self._vectors |= kept
            self._kept += len(kept)

    # -- the known text ---------------------------------------------------------------------------

    async def _with_known(self, record: SpaceRecord) -> SpaceRecord:
        """The record with the vector of the known text, as this kind of text has it."""
        as_query = self._options.kind == "query" and self._differs(record.space)
        if record.known is None:
            batch = [] if as_query else self._batch(record)
            outcome = await self._send([KNOWN_TEXT, *batch], record, "document", back=batch)
            known, by = outcome.answer.vectors[0], outcome.attempt.model.id
            other = await outvoted(
                outcome,
                self._serving(record.space),
                lambda name: self._send([KNOWN_TEXT], record, "document", prefer=name),
            )
            if other is None:
                record = self._pinned.keep_first(record.answered(known, by))
                self._prove(record, outcome)
                await self._take(batch, outcome.answer.vectors[1:], outcome, record)
            else:
                self._todo.extendleft(reversed(batch))
                record = self._pinned.keep_first(record.answered(*other))
        if as_query and record.known_query is None:
            record = replace(record, known_query=await self._known_query(record))
            self._pinned.keep(record)
        return record

    def _kind(self, space: Space) -> InputType:
        """The kind that vectors are kept under: where kinds do not differ, one serves both."""
        return self._options.kind if self._differs(space) else "document"

    def _differs(self, space: Space) -> bool:
        """Whether a query's vector is another than a document's."""
        typed = any(m.serving.type_field for m in self._serving(space) if m.serving is not None)
        return typed or space.query_prefix != space.document_prefix

    async def _known_query(self, record: SpaceRecord) -> Vector:
        """The known text's vector as a query, from a provider that has proved its space."""
        preferred: str | None = record.by or None
        for _ in range(MAX_PROOFS):
            outcome = await self._send([KNOWN_TEXT], record, "query", prefer=preferred)
            model = outcome.attempt.model
            if self._proved(record, model):
                return outcome.answer.vectors[0]
            preferred = model.id
            proof = await self._send(
                [KNOWN_TEXT], record, "document", known=record.known, prefer=preferred
            )
            self._prove(record, proof)
        raise NoCandidates(f"no provider of {record.space.name} proved that it serves this space")

    def _proved(self, record: SpaceRecord, model: Model) -> bool:
        """Whether a model has lately proved that it serves the space."""
        at = self._runtime.proved.get((record.digest, model.identity), -math.inf)
        return self._runtime.clock.now() - at < PROOF_LASTS

    def _prove(self, record: SpaceRecord, outcome: Outcome) -> None:
        key = (record.digest, outcome.attempt.model.identity)
        self._runtime.proved[key] = self._runtime.clock.now()

    # -- requests ---------------------------------------------------------------------------------

    def _serving(self, space: Space) -> list[Model]:
        """The models that serve a space."""
        return [m for m in self._catalogue if m.serving and _serves(m.serving.space, space)]

    def _batch(self, record: SpaceRecord) -> list[str]:
        """The texts of the next request: as many as any provider of the space takes at once."""
        if not self._most:
            sizes = [m.serving.batch for m in self._serving(record.space) if m.serving]
            self._most = max(1, max(sizes, default=USUAL_BATCH) - 1)
        return [self._todo.popleft() for _ in range(min(self._most, len(self._todo)))]

    async def _ask(self, batch: list[str], record: SpaceRecord) -> None:
        kind = self._options.kind
        as_query = kind == "query" and self._differs(record.space)
        known = record.known_query if as_query else record.known
        proves = len(batch) >= MANY or not all(
            self._proved(record, model) for model in self._serving(record.space)
        )
        texts = [KNOWN_TEXT, *batch] if proves else batch
        outcome = await self._send(
            texts, record, kind, known=known if proves else None, probes=proves, back=batch
        )
        vectors = outcome.answer.vectors
        if proves:
            self._prove(record, outcome)
            vectors = vectors[1:]
            if not vectors:  # it takes one text at a time
                model = outcome.attempt.model.id
                outcome = await self._send(batch, record, kind, prefer=model, back=batch)
                vectors = outcome.answer.vectors
        if (record.digest, outcome.attempt.model.identity) not in self._runtime.proved:
            vectors = ()  # a provider that never proved its space, new in the list
        await self._take(batch, vectors, outcome, record)

    async def _send(
        self,
        texts: list[str],
        record: SpaceRecord,
        kind: InputType,
        *,
        known: Vector | None = None,
        probes: bool = True,
        back: Sequence[str] = (),
        prefer: str | None = None,
    ) -> Outcome:
        """One request, led by the known text if it `probes`. If it fails, its texts are `back` on
        the list. `prefer`: the model to ask first."""
        options = self._options
        named = options.name if options.name and ":" in options.name else None
        request = EmbedRequest(
            texts,
            record.space,
            kind=kind,
            known=known,
            probes=probes and len(texts) > 1,
            model=prefer or named,
            timeout=options.timeout,
            lane=options.lane,
            label=options.label,
        )
        try:
            outcome = await EmbedRun(self._context, request).run()
        except BaseException:
            self._todo.extendleft(reversed(back))
            raise
        tally, usage = self._tally, outcome.answer.usage or {}
        tally.attempts += outcome.attempts
        tally.requests += 1
        tally.simulated = tally.simulated or outcome.answer.simulated
        told = usage.get("total_tokens")
        if isinstance(told, int):
            tally.tokens += _without_known(told, texts[: len(outcome.answer.vectors)])
        return outcome

    async def _take(
        self, batch: list[str], vectors: Sequence[Vector], outcome: Outcome, record: SpaceRecord
    ) -> None:
        """Take in an answer: the first texts have their vectors, the others are asked for again."""
        new = dict(zip(batch, vectors, strict=False))
        self._todo.extendleft(reversed(batch[len(vectors) :]))
        self._vectors |= new
        self._tally.providers[outcome.provider] += len(new)
        self._pauses = deque(PAUSES)
        await keep_vectors(self._cache, record.digest, self._kind(record.space), new)

    def _tell_progress(self, error: FreeRouterError, count: int) -> None:
        """Add to an error what is done already."""
        done = len(self._vectors)
        if done and isinstance(error, (Exhausted, DeadlineExceeded)):
            texts = count_words(count, "text")
            kept = f"embedded and kept: {done:,} of {texts}; call again for the rest"
            error.hint = "; ".join(filter(None, (error.hint, kept)))


def _serves(space: Space | None, wanted: Space) -> bool:
    return space is not None and space.serves(wanted)


def _without_known(told: int, texts: Sequence[str]) -> int:
    """The tokens that were told for texts, less the known text's share by length."""
    sizes = {text: tokens_of(text) for text in texts}
    return round(told * (1 - sizes.get(KNOWN_TEXT, 0) / sum(map(sizes.__getitem__, texts))))


def _failures_of(tasks: Iterable[asyncio.Task[None]]) -> list[BaseException]:
    return [failure for task in tasks if (failure := task.exception()) is not None]
