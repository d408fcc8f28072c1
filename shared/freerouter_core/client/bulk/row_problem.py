"""`row_problem`: why a row of a job failed, with advice that can be followed later.

A row's error is read days after it happened, by somebody who has many rows. When a model will be
back says nothing then, nor does "ask again": the job has asked again.
"""

from __future__ import annotations

from ...errors import BadRequest, ContextTooLong, DeadlineExceeded, Exhausted, FreeRouterError

_OF_THEN = ("the earliest candidate returns", "wait a little", "once it is mended, router.reset()")
"""How a part of a hint begins that was of use when the row failed."""
AGAIN = "job.retry_failed() tries it again"
TOO_LONG = "shorten the row's prompt, or add a provider whose models read longer ones"
NOT_ACCEPTED = "no answer was accepted: say in the prompt what it must be, or ask for less"


def row_problem(error: FreeRouterError) -> str:
    """The error and its advice, as the job keeps them."""
    hint = _hint(error)
    return f"{error.message} ({hint})" if hint else error.message


def _hint(error: FreeRouterError) -> str:
    if isinstance(error, ContextTooLong):
        return TOO_LONG if error.hint == error.default_hint else error.hint
    if isinstance(error, BadRequest):
        # What the class says of all its errors says nothing of this row.
        return "" if error.hint == error.default_hint else error.hint
    if not isinstance(error, (Exhausted, DeadlineExceeded)):
        return error.hint
    parts = [part for part in error.hint.split("; ") if part and not part.startswith(_OF_THEN)]
    if isinstance(error, Exhausted) and error.answer is not None:
        parts.append(NOT_ACCEPTED)
    return "; ".join([*parts, AGAIN])
