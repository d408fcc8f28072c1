"""`Terms`: under which terms the body of a request is written."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What the router's policy and the attempt say about a body.

    Attributes:
        stream: whether the answer is to come as a stream.
        free_only: whether nothing may be charged.
        price_cap: whether a cap of price zero is sent, where the provider has one.
        no_train: whether only endpoints may answer that do not train on prompts.
        prefill: the beginning of the answer, for the model to continue.
    """

    stream: bool = False
    free_only: bool = True
    price_cap: bool = True
    no_train: bool = False
    prefill: str | None = None


TERMS = Terms()
"""Those of a request that nobody pays for."""
