"""`judge_text`: an error that a gateway hands on as if the model had said it.

Words prove little: people ask about errors. So it takes a text that begins as errors do, and that
cost no tokens by the server's own count. If nothing was counted, such a text is doubted once, and
believed if it comes again, or from another model. It concerns this answer only: such a text does
not say whose limit it was. An object that is nothing but an error says more.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from .answer import Answer
from .envelope import error_told
from .fault import Cause, Fault, Kind
from .json_values import parse_json
from .judge import judge_embedded

_LONGEST_OBJECT, _LONGEST_TEXT = 2_000, 300
"""Characters of an error."""
_ERROR = re.compile(
    r"\A\W{0,8}(?:(?:api |internal |upstream |server |request )?error\b|too many requests"
    r"|(?:rate|usage|request) limit|quota (?:exceeded|exhausted)"
    r"|(?:insufficient|not enough) (?:balance|credits?|quota|funds)"
    r"|(?:invalid|incorrect|missing|expired) (?:api key|token|credentials)"
    r"|unauthorized\b|forbidden\b|bad gateway|gateway time-?out"
    r"|(?:the |this )?(?:model|server|service|engine) (?:is )?(?:currently |temporarily )?"
    r"(?:overloaded|busy|unavailable)"
    r"|you(?:'ve| have) (?:reached|exceeded|hit) (?:your|the) .{0,40}(?:limit|quota)"
    r"|your (?:api key|account|quota|balance)\b.{0,60}(?:invalid|expired|exceeded|insufficient)"
    r"|余额不足|额度不足|请求过于频繁)",
    re.IGNORECASE,
)
"""How errors begin, and hardly any answer."""


def judge_text(answer: Answer, now: float, *, again: bool = False) -> Fault | None:
    """The fault that the text of an answer tells; None: it is an answer.

    `again`: it came before, or another model said something like it. So it is one, unless the
    count says otherwise.
    """
    text, count = answer.text.strip(), (answer.usage or {}).get("completion_tokens")
    if answer.tool_calls or count or not text or len(text) > _LONGEST_OBJECT:
        return None
    if count is None and again:
        return None
    if text[0] == "{":
        try:
            value = parse_json(text)
        except ValueError:
            return None
        is_error = isinstance(value, Mapping) and bool(value.get("error"))
        error = error_told(value) if is_error else None
        return None if error is None else judge_embedded(error, now)
    if len(text) > _LONGEST_TEXT or not _ERROR.match(text):
        return None
    return Fault(Kind.BROKEN, Cause.ODD_SUCCESS, f"an error as the answer: {text}")
