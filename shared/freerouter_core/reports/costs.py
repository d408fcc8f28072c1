"""`CostEstimate`: what a request would cost at most."""

from __future__ import annotations

from dataclasses import dataclass

from ..catalogue.counts import count_words


@dataclass(frozen=True, slots=True, kw_only=True)
class CostEstimate:
    """What a request would cost at most.

    Attributes:
        model: the model's id.
        tier: "free" or "paid".
        prompt_tokens: estimated on the high side.
        completion_tokens: the most that may come back.
        usd: the cost by the catalogue's prices; None: the model is not listed.
        source: where the prices are from.
    """

    model: str
    tier: str
    prompt_tokens: int
    completion_tokens: int
    usd: float | None
    source: str

    def __str__(self) -> str:
        completion = count_words(self.completion_tokens, "token")
        return f"{self.model}: {self.prompt_tokens:,} + {completion}, {self._price()}"

    def _price(self) -> str:
        if self.tier == "free":
            return "free"
        return "unknown" if self.usd is None else f"{self.usd:.6f} USD"
