"""`Models`: a list of models that is also a table and a drawing."""

from __future__ import annotations

from typing import SupportsIndex, overload

from ..catalogue.counts import count_words
from ..catalogue.model import Model
from .bars import Bar, Bars
from .tables import Drawn, Table


class Models(Drawn, list[Model]):
    """A list of models that is also a table and a drawing."""

    @overload
    def __getitem__(self, place: SupportsIndex) -> Model: ...
    @overload
    def __getitem__(self, place: slice) -> Models: ...
    def __getitem__(self, place: SupportsIndex | slice) -> Model | Models:
        if isinstance(place, slice):
            return Models(super().__getitem__(place))
        return super().__getitem__(place)

    def table(self) -> Table:
        paid = any(not model.free for model in self)
        price_column = ("USD a million tokens",) if paid else ()
        return Table(
            columns=("model", "provider", "context", "can", *price_column),
            rows=[_cells(model, with_price=paid) for model in self],
            right=("context",),
            foot=count_words(len(self), "model"),
            spare=("provider", "can", "context"),
        )

    def bars(self) -> Bars:
        return Bars(
            tuple(
                Bar(
                    model.id,
                    model.context / 1e3,
                    f"{model.context:,}",
                    "good" if model.free else "",
                )
                for model in self
            ),
            axis="context, thousand tokens",
        )


def capability_words(model: Model) -> str:
    """What a model can do besides text, in words that people choose by.

    `json` is not said of a model with `structured`, which is more, and `tool_choice` of none:
    nearly all that have tools have it. `Model.capabilities` tells all. Of an embedding model it is
    the space of its vectors.
    """
    if model.mode != "chat":
        space = None if model.serving is None else model.serving.space
        return "ranks texts" if space is None else f"vectors of {space.name}"
    left_out = {"text", "tool_choice", *(("json",) if "structured" in model.capabilities else ())}
    return " ".join(word for word in model.capabilities if word not in left_out) or "text"


def _cells(model: Model, *, with_price: bool) -> tuple[str, ...]:
    price = (_price(model),) if with_price else ()
    return (model.id, model.provider, f"{model.context:,}", capability_words(model), *price)


def _price(model: Model) -> str:
    if model.free:
        return "free"
    if model.prompt_price < 0:
        return "not known"
    return f"{model.prompt_price * 1e6:.2f} in, {model.completion_price * 1e6:.2f} out"
