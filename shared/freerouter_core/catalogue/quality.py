"""`quality_prior`: how good a model is likely to be, before it has answered."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from .fields import mapping_in, number_in, positive_in

_SIZE = re.compile(r"(?<![\d.])(\d{1,6}(?:\.\d{1,6})?)b(?![a-z])")
_2024 = 1_704_067_200.0
"""2024-01-01 in unix seconds: models from before are not recent."""
_YEAR = 31_557_600.0


def quality_prior(name: str, row: Mapping[str, object]) -> float:
    """0 to 10, from a published intelligence index, else from the size in the name.

    A little is added for a recent model, as it does what one of twice its size did a year before,
    and for a large context window.
    """
    benchmarks = mapping_in(row.get("benchmarks"))
    index = number_in(mapping_in(benchmarks.get("artificial_analysis")).get("intelligence_index"))
    if index is not None:
        return max(0.0, min(10.0, index / 7.0))
    sizes = _SIZE.findall(name.lower())
    prior = 5.0
    if sizes:
        billions = max(0.1, *map(float, sizes))
        prior = max(1.0, min(9.0, 2.0 + 1.15 * math.log2(billions)))
    created = number_in(row.get("created")) or 0.0
    recent = min(1.0, max(0.0, (created - _2024) / _YEAR * 0.5))
    roomy = 0.3 if (positive_in(row.get("context_length")) or 0) >= 200_000 else 0.0
    return min(9.5, prior + recent + roomy)
