"""`RouterBulk`: a router's jobs of many requests."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import datetime
from typing import cast

from ..errors import forgets_locals
from ..guards.base import ChatClient
from ..wire.json_values import Json
from ..wire.request import Lane, Validator
from .base import RouterBase
from .bulk import Bulk
from .bulk.job_store import Changed
from .bulk.options import Order, work_options
from .bulk.rows import BulkRequest
from .bulk.shape import ModelClass, Shape, shape_of


class RouterBulk(RouterBase):
    """The jobs of a router."""

    @forgets_locals  # the address of a job may hold a password
    def bulk(
        self,
        requests: Iterable[BulkRequest] | None,
        path: str | os.PathLike[str],
        *,
        schema: Json | ModelClass | Shape | None = None,
        validate: Validator | None = None,
        order: Order = "as_done",
        concurrency: int | None = None,
        lane: Lane = "background",
        attempts: int = 5,
        stop_after: int | None = None,
        until: float | datetime | None = None,
        changed: Changed = "refuse",
        total: int | None = None,
    ) -> Bulk:
        """A job of many requests, kept in a file: iterate it to work on it and get its results.

        It takes days if limits want it. Whatever ends the process, nothing that was answered is
        asked again: call this again to go on. Equal requests are asked once.

        Args:
            requests: the rows: prompts, messages or `ChatRequest`s, alone or after an id in a
                tuple, or mappings with "prompt", "messages" or "body". Any iterable; it is read as
                it is needed. None: the rows that are in the job.
            path: the job's file. It is made if there is none. `redis://host:port/0#name` keeps the
                job in Redis, for several machines.
            schema: a JSON schema or a pydantic class that each answer must keep.
            validate: is given each answer and raises to reject it; see `ChatRequest`.
            order: "as_done" yields rows as they end, "given" in the order of the input.
            concurrency: requests in flight at most. None: as many as limits and servers let.
            lane: whether somebody waits for the answers; see `Router`.
            attempts: tries of a row, each over all models, before it is kept as failed.
            stop_after: failures in a row after which the job stops with `JobFailed`. None: it
                pauses, and goes on.
            until: when to stop, as unix seconds or a `datetime`.
            changed: what to do about rows that are not what they were when the job began: "refuse"
                them, or "merge" them, which asks what is new.
            total: how many rows `requests` has, for the forecast, if it has no length.

        Raises:
            BadSetting: an argument makes no sense.
        """
        options = work_options(
            order=order,
            concurrency=concurrency,
            attempts=attempts,
            stop_after=stop_after,
            until=until,
            changed=changed,
        )
        return Bulk(
            self._context.with_options(lane=lane, session_name=None),
            # Guards ask models without being judged themselves.
            cast("ChatClient", self.with_options(guards=(), session_name=None)),
            requests,
            path,
            shape=schema if isinstance(schema, Shape) else shape_of(schema, validate),
            options=options,
            total=total,
        )
