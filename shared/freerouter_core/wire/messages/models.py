"""Lists of models as Anthropic's API has them."""

from __future__ import annotations

from collections.abc import Sequence

from ...catalogue.model import Model
from ..json_values import Json

_NEVER = "1970-01-01T00:00:00Z"
"""When a model was made, which nobody tells: Anthropic's clients must get a date."""


def write_model(model: Model) -> Json:
    """A row of the list."""
    return {
        "type": "model",
        "id": model.id,
        "display_name": model.id,
        "created_at": _NEVER,
        "lifecycle": "active",
        "max_input_tokens": model.context,
        "max_tokens": model.max_output,
    }


def write_models(models: Sequence[Model]) -> Json:
    """The list, on one page."""
    rows = [write_model(model) for model in models]
    return {
        "data": rows,
        "has_more": False,
        "first_id": rows[0]["id"] if rows else None,
        "last_id": rows[-1]["id"] if rows else None,
    }
