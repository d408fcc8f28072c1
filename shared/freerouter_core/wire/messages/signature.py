"""`Signature`: what a thinking block says about itself when a client sends it back.

Anthropic signs thoughts, so clients keep a signature and return it, and some drop a block without
one. Ours says who thought, and holds what that model wants back unchanged. So it goes to its writer
again, and to nobody else.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence

from ..json_values import Json, as_dicts, parse_json

_MARK = "fr1."
_LONGEST = 65_536
"""Characters of a signature. With longer details only the writer's names are kept."""


def sign(names: Sequence[str], details: Sequence[Json] = ()) -> str:
    """A signature. `names`: what the model is called. `details`: its `reasoning_details`."""
    signature = _encoded({"model": list(names), "details": list(details)})
    return signature if len(signature) <= _LONGEST else _encoded({"model": list(names)})


def _encoded(value: Json) -> str:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return _MARK + base64.urlsafe_b64encode(text.encode("utf-8", "replace")).decode()


def read_signature(signature: object) -> tuple[list[str], tuple[Json, ...]]:
    """(names, details); empty if the signature is not one of ours."""
    if not isinstance(signature, str) or not signature.startswith(_MARK):
        return [], ()
    if len(signature) > _LONGEST:
        return [], ()
    try:
        value = parse_json(base64.urlsafe_b64decode(signature.removeprefix(_MARK)))
    except ValueError:
        return [], ()
    names = value.get("model") if isinstance(value, dict) else None
    if not isinstance(names, list):
        return [], ()
    return [str(name) for name in names], as_dicts(value.get("details"))
