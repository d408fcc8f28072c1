"""Ask each model once, and keep the results in a report that can be resumed."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter

from ...catalogue.model import Model
from ...client.router import Router
from ...wire.fault import Kind
from ...wire.request import ChatRequest
from ..as_json import JsonObject
from .report_file import ReportFile
from .single_model import ask_model

MAX_TOKENS = 512
"""Length limit of an answer. Reasoning models need room to think."""
MAX_TEXT = 200
"""Characters of an answer that a report keeps."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """The result of one model: whether it answered, and in how many seconds.

    `fault` and `reason` say why it did not. `asked` is False if no request was sent, because the
    account or the model is waiting. `at` is unix seconds.
    """

    model: str
    provider: str
    ok: bool
    seconds: float
    tokens: int = 0
    text: str = ""
    fault: str = ""
    reason: str = ""
    at: float = 0.0
    asked: bool = True


def probe_models(
    router: Router, models: Sequence[Model], prompt: str, spacing: float, timeout: float
) -> Iterator[Result]:
    """Ask each model in turn, until a limit of the account is used up.

    Requests are `spacing` seconds apart. The router learns from them as from any request.
    """
    for n, model in enumerate(models, 1):
        began = time.monotonic()
        result = probe_model(router, model, prompt, timeout)
        yield result
        if result.fault == Kind.ACCOUNT:
            return
        if result.asked and n < len(models):
            time.sleep(max(0.0, spacing - (time.monotonic() - began)))


def probe_model(router: Router, model: Model, prompt: str, timeout: float) -> Result:
    request = ChatRequest.of(prompt).but(parameters={"max_tokens": MAX_TOKENS})
    now = time.time()
    reply = ask_model(router, model, request, timeout)
    if reply.answer is None:
        return Result(
            model=model.id,
            provider=model.provider,
            ok=False,
            seconds=reply.seconds,
            fault=reply.fault,
            reason=reply.reason,
            at=now,
            asked=reply.fault not in ("", "account"),
        )
    tokens = (reply.answer.usage or {}).get("completion_tokens")
    return Result(
        model=model.id,
        provider=model.provider,
        ok=True,
        seconds=reply.seconds,
        tokens=tokens if isinstance(tokens, int) else 0,
        text=reply.answer.text[:MAX_TEXT],
        at=now,
    )


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The results together: `success` is a share from 0 to 1, `seconds` the mean of the answers."""

    asked: int
    answered: int
    success: float | None
    seconds: float | None
    fastest: tuple[Result, ...]
    failed: tuple[Result, ...]

    @classmethod
    def of(cls, results: Sequence[Result]) -> Summary:
        asked = sum(result.asked for result in results)
        answered = sorted(
            (result for result in results if result.asked and result.ok),
            key=lambda result: result.seconds,
        )
        return cls(
            asked=asked,
            answered=len(answered),
            success=len(answered) / asked if asked else None,
            seconds=statistics.fmean(r.seconds for r in answered) if answered else None,
            fastest=tuple(answered[:5]),
            failed=tuple(result for result in results if not result.ok),
        )

    def as_json(self) -> JsonObject:
        return {
            "asked": self.asked,
            "answered": self.answered,
            "success": self.success,
            "seconds": self.seconds,
        }


class Report:
    """The results so far, in a file.

    `resume`: whether the results of the file are kept. Raises `BadSetting` as `ReportFile` does.
    """

    def __init__(self, path: Path, resume: bool) -> None:
        self.file = ReportFile(path, _is_report, resumed=resume)
        self.results = _results_of(self.file.content) if resume and self.file.content else []

    @property
    def asked(self) -> set[str]:
        """The models that were asked."""
        return {result.model for result in self.results if result.asked}

    def add(self, result: Result) -> None:
        """Add a result, in place of an earlier one of the same model, and write the file."""
        self.results = [other for other in self.results if other.model != result.model] + [result]
        self.file.write(self.as_json())

    def finish(self) -> None:
        self.file.finish(self.as_json())

    def as_json(self) -> JsonObject:
        results = [asdict(result) for result in self.results]
        return {"summary": Summary.of(self.results).as_json(), "results": results}


_RESULTS: TypeAdapter[list[Result]] = TypeAdapter(list[Result])


def _results_of(content: object) -> list[Result]:
    if not isinstance(content, dict):
        raise TypeError("a report is a JSON object")
    return _RESULTS.validate_python(content["results"])


def _is_report(content: object) -> bool:
    try:
        _results_of(content)
    except (TypeError, KeyError, ValueError):
        return False
    return True
