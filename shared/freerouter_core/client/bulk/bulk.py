"""`Bulk`: a job over days. Iterating it works on it, and gives every row's result once."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sized
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self, TypeVar

from ...errors import BadSetting, FreeRouterError, shown_value
from ...guards.base import ChatClient
from ...reports.bulk import BulkProgress
from ...wire.answer import Answer
from ...wire.json_values import Json, parse_json
from ...wire.request import ChatRequest
from ..context import Context
from ..resolve import LONGEST_LINE, Resolved
from .forecasting import progress_of
from .job_store import Counts, Ended, JobStore, Wish, Worker
from .live import shown_live
from .open_job import is_server, open_job
from .options import WorkOptions
from .reading import InputReader
from .redis_problem import shown_location
from .result import BulkResult, unpack_answer
from .rows import BulkRequest, read_rows
from .shape import Shape
from .work import Work

T = TypeVar("T")
PAGE = 500
"""Results that are read from the job at once."""


class Bulk:
    """A job: its rows, and what became of them. Made by `Router.bulk`.

    Iterating works on the job and yields a `BulkResult` for each row: first those that ended
    earlier, then others as they end. Each is in the job before it is yielded. Leaving the loop
    stops the work; iterating again, in this process or another, goes on.

    Several processes may work on one job. It is picklable: another process works on the rows that
    are in the job.
    """

    def __init__(
        self,
        context: Context,
        client: ChatClient,
        requests: Iterable[BulkRequest] | None,
        location: str | os.PathLike[str],
        *,
        shape: Shape,
        options: WorkOptions,
        total: int | None = None,
    ) -> None:
        self._context, self._client = patient(context), client
        self._location = _absolute(location)
        self._shape, self._options = shape, options
        self._total = total
        self._reader: InputReader | None = None
        self.left_out: dict[str, str] = {}
        """Fields of rows that no request has, and why: of rows that this process read."""
        if requests is not None:
            if not isinstance(requests, (Iterable, ChatRequest)):
                raise BadSetting(
                    f"requests must be an iterable of rows, not {type(requests).__name__}",
                    hint="pass a list or a generator; collect an async one first",
                )
            self._reader = InputReader(read_rows(requests, shape.structured, self.left_out))
            if total is None and isinstance(requests, Sized):
                self._total = len(requests)
        self._work: Work | None = None
        self._stop = _Stop()

    # -- working ------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[BulkResult]:
        work = self._new_work()
        stream = self._context.runtime.stream(work.show)
        with self._listed():
            try:
                for ended in stream:
                    yield self._result(ended)
            finally:
                stream.close()

    async def __aiter__(self) -> AsyncIterator[BulkResult]:
        work = self._new_work()
        stream = self._context.runtime.astream(work.show, lambda _: None)
        with self._listed():
            try:
                async for ended in stream:
                    yield self._result(ended)
            finally:
                await stream.aclose()

    def run(self) -> BulkProgress:
        """Work until the job is done, without looking at results. Returns how it stands.

        In a notebook its progress is shown meanwhile.
        """
        work = self._new_work()
        with self._listed(), shown_live(self.progress):
            self._context.runtime.call(lambda: work.run(None))
        return self.progress()

    async def arun(self) -> BulkProgress:
        work = self._new_work()
        with self._listed():
            await self._context.runtime.acall(lambda: work.run(None))
        return await self.aprogress()

    def load(self) -> Counts:
        """Read the whole input into the job, and ask nobody. Returns how many rows there are."""
        reader, options = self._reader, self._options
        if reader is None:
            return self._counts()
        store = open_job(self._location)
        try:
            while not reader.ended:
                reader.before = store.counts().rows if reader.before is None else reader.before
                store.add(reader.fill(), options.changed, reader.before)
                reader.taken()
            return store.close_input(reader.count, options.changed)
        finally:
            store.close()

    def stop(self) -> None:
        """Ask nobody any more. What is in flight finishes, and the iteration ends.

        If none has begun, the next one ends so: it gives what is there. Another one goes on.
        """
        self._stop.wanted = True  # first: the work may begin just now
        work = self._work
        if work is not None:

            async def stop() -> None:
                work.stop()

            self._context.runtime.call(stop)

    def close(self) -> None:
        """Stop what is under way. The job stays as it is, to be opened again."""
        if self._stop.begun:
            self.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- looking ------------------------------------------------------------------------------

    def results(self, *, given: bool = True) -> Iterator[BulkResult]:
        """The results that are in the job. Asks nobody. `given`: in the order of the input, up to
        the first that is missing; else in the order in which they ended."""
        store, worker = open_job(self._location), Worker.new()
        after = -1 if given else 0
        try:
            while self._is_begun(store):
                wish = Wish(after=after, rows=PAGE, given=given, part=self._options.part)
                page = store.exchange(worker, (), wish, 0.0).ended
                for ended in page:
                    yield self._result(ended)
                if len(page) < PAGE:
                    return
                after = page[-1].number if given else page[-1].turn
        finally:
            store.close()

    def progress(self) -> BulkProgress:
        """How the job stands, what it waits for, and when it will be done."""
        counts = self._counts()
        work, total = self._work, self._total
        return self._context.runtime.call(lambda: progress_of(self._context, counts, total, work))

    async def aprogress(self) -> BulkProgress:
        counts = self._counts()
        return await self._context.runtime.acall(
            lambda: progress_of(self._context, counts, self._total, self._work)
        )

    def settings(self) -> dict[str, str]:
        """What `put_settings` kept in the job."""
        return self._look(lambda store: dict(store.open()), dict[str, str]())

    def put_settings(self, values: Mapping[str, str]) -> None:
        """Keep texts in the job, by name: how it was begun, for those who open it again."""
        store = open_job(self._location)
        try:
            if self._reader is not None or self._is_begun(store):
                store.put(values)
        finally:
            store.close()

    def retry_failed(self) -> int:
        """Let failed rows be tried again. Returns how many they are."""
        return self._look(lambda store: store.retry_failed(), 0)

    # -- parts --------------------------------------------------------------------------------

    def part(self, part: int, parts: int) -> Bulk:
        """One of several parts of this job; see `partition`."""
        return Bulk(
            self._context,
            self._client,
            None,
            self._location,
            shape=self._shape,
            options=replace(self._options, part=(part, parts)),
        )

    def __getstate__(self) -> dict[str, Any]:
        """What another process needs. It works on the rows that are in the job."""
        state = {**self.__dict__, "_reader": None, "_work": None, "_stop": _Stop()}
        return {**state, "_context": self._context.config}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _context=patient(Context(state["_context"])))

    def __repr__(self) -> str:
        return f"<Bulk {shown_location(self._location)}>"

    @contextmanager
    def _listed(self) -> Iterator[None]:
        """Meanwhile the runtime lists this job, for those who watch it."""
        jobs, key = self._context.runtime.jobs, id(self)
        jobs[key] = shown_location(self._location), self.progress
        try:
            yield
        finally:
            jobs.pop(key, None)
            self._stop = _Stop()

    def _new_work(self) -> Work:
        if self._reader is None:
            self._counts()  # there must be a job
        store = open_job(self._location)
        reader = self._reader if self._reader is not None and not self._reader.ended else None
        self._stop.begun = True
        self._work = work = Work(
            self._context, self._client, store, reader, self._options, self._shape.validate
        )
        if self._stop.wanted:  # it was stopped before it began
            work.stop()
        return work

    def _is_begun(self, store: JobStore) -> bool:
        """Whether there is a job to look at. Raises `BadSetting` if there is none, and nothing to
        begin it with. A look makes none."""
        if store.begun():
            return True
        if self._reader is None:
            raise BadSetting(
                f"there is no job {shown_location(self._location)}",
                hint="check its name, or give requests to begin it",
            )
        return False

    def _counts(self) -> Counts:
        return self._look(lambda store: store.counts(), Counts())

    def _look(self, call: Callable[[JobStore], T], nothing: T) -> T:
        """What the job's store says; `nothing` if it will only be begun."""
        store = open_job(self._location)
        try:
            return call(store) if self._is_begun(store) else nothing
        finally:
            store.close()

    def _result(self, ended: Ended) -> BulkResult:
        record = parse_json(ended.record)
        ident = str(ended.number) if ended.id is None else ended.id
        attempts = parse_json(ended.trail) if ended.trail else []
        data = parse_json(ended.data) if ended.data else None
        if "answer" not in record:
            return BulkResult(
                ident,
                ended.number,
                error=record["error"],
                error_type=record["error_type"],
                provider=attempts[-1]["provider"] if attempts else "",
                attempts=attempts,
                tries=ended.tries,
                data=data,
            )
        answer = unpack_answer(record["answer"])
        metadata = {**record["metadata"], "attempts": attempts}
        return BulkResult(
            ident,
            ended.number,
            answer=answer,
            value=self._value(ident, answer, metadata),
            model=answer.model,
            provider=metadata.get("provider", ""),
            usage=answer.usage,
            attempts=attempts,
            tries=ended.tries,
            metadata=metadata,
            data=data,
            answered_at=record.get("at"),
        )

    def _value(self, ident: str, answer: Answer, metadata: Json) -> Any:
        """What a result holds of an answer. Raises `BadSetting` if it was given to another schema:
        those who only look at a job have no input that could be compared."""
        convert = self._shape.convert
        if convert is None:
            return answer.text
        try:
            return convert(answer, metadata)
        except (ValueError, FreeRouterError) as error:
            raise BadSetting(
                f"the answer of row {ident} does not fit this schema",
                hint='give the schema that it was asked with; changed="merge" asks all rows anew',
            ) from error


@dataclass(slots=True)
class _Stop:
    """Whether an iteration has begun, and whether it is to stop."""

    begun: bool = False
    wanted: bool = False


def _absolute(location: object) -> str:
    """The same place for every process of this machine. Raises `BadSetting`."""
    text = os.fspath(location) if isinstance(location, (str, os.PathLike)) else None
    if not isinstance(text, str) or not text:
        raise BadSetting(
            f"{shown_value(location)} is no path of a job", hint='such as "labels.job"'
        )
    if is_server(text):
        return text
    if "://" in text:
        raise BadSetting(
            f"a job is kept in a file or in Redis, not at {text.partition('://')[0]}://…"
        )
    path = Path(text).expanduser().absolute()
    if path.is_dir():
        raise BadSetting(f"{path.name} is a folder", hint="name the job's file in it")
    return str(path)


def patient(context: Context) -> Context:
    """A context whose requests stand in line however short their timeout is: that counts from the
    first request sent."""
    return PatientContext(context.config, context.own_runtime, context.http_client)


class PatientContext(Context):
    """See `patient`."""

    def _resolve(self) -> Resolved:
        resolved = super()._resolve()
        return (
            resolved if resolved.max_wait is not None else replace(resolved, max_wait=LONGEST_LINE)
        )
