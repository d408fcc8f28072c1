"""Jobs of many inputs: LangChain's inputs as rows, answers as messages or objects."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from langchain_core.language_models import LanguageModelInput
from langchain_core.outputs import ChatGeneration

from freerouter_core.client.bulk.rows import BulkRequest
from freerouter_core.client.bulk.shape import Shape
from freerouter_core.errors import BadRequest, FreeRouterError
from freerouter_core.wire.answer import Answer
from freerouter_core.wire.json_values import Json
from freerouter_core.wire.request import ChatRequest, Validator

from .outputs import to_message
from .structured import ObjectParser, OutputFormat

BulkInput = LanguageModelInput | tuple[str, LanguageModelInput] | Mapping[str, Any]
"""What `invoke` takes, alone, after an id in a tuple, or as the "prompt" of a row with an "id"."""


def rows_of(
    inputs: Iterable[BulkInput], request_of: Callable[[Any], ChatRequest]
) -> Iterator[BulkRequest]:
    """Inputs as the core's rows. What cannot be asked is a problem of its own row."""
    for item in inputs:
        ident, value, row = _parted(item)
        try:
            prompt: dict[str, Any] = {"prompt": request_of(value).but(validate=None)}
        except FreeRouterError as error:
            prompt = {"problem": error}
        except (ValueError, TypeError, KeyError, AttributeError, NotImplementedError) as error:
            prompt = {"problem": BadRequest(f"the row cannot be asked: {error}")}
        yield {**row, **prompt, **({} if ident is None else {"id": ident})}


def _parted(item: BulkInput) -> tuple[str | None, Any, dict[str, Any]]:
    """(id, input, what else its row has)."""
    if isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], str):
        return item[0], item[1], {}
    if isinstance(item, Mapping):
        value = item.get("prompt", item.get("messages"))
        rest = {key: item[key] for key in ("id", "data") if key in item}
        return None, value, rest
    return None, item, {}


@dataclass(frozen=True)
class ToMessage:
    """An answer as a message, or as an object of a format. Picklable, as jobs travel."""

    format: OutputFormat | None = None

    def __call__(self, answer: Answer, metadata: Json) -> Any:
        message = to_message(answer, metadata)
        if self.format is None:
            return message
        return ObjectParser(format=self.format).parse_result([ChatGeneration(message=message)])


@dataclass(frozen=True)
class AllOf:
    """Validators that must all agree, in this order. Picklable, if they are."""

    validators: tuple[Validator, ...]

    def __call__(self, answer: Answer) -> None:
        for validator in self.validators:
            validator(answer)


def shape_of(output: OutputFormat | None, validate: Validator | None) -> Shape:
    """What a job's answers must be: of the format, and what the owner's `validate` lets pass."""
    of_format = None if output is None else output.validator
    validators = tuple(each for each in (of_format, validate) if each is not None)
    return Shape(validate=AllOf(validators) if validators else None, convert=ToMessage(output))
