"""`date_of`: dates as headers and errors write them."""

from __future__ import annotations

import re
from email.utils import parsedate_to_datetime

_ISO_8601 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d(?:\.\d+)?))?\s*(Z|[+-]\d\d:?\d\d)?"
)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def date_of(text: str) -> float | None:
    """The unix time of an ISO 8601 or HTTP date; None if it is neither."""
    match = _ISO_8601.fullmatch(text)
    try:
        if not match:
            return parsedate_to_datetime(text).timestamp()
        year, month, day, hour, minute = (int(part) for part in match.groups()[:5])
        zone = match[7] or "Z"
        offset = "+0000" if zone == "Z" else zone.replace(":", "")
        name = _MONTHS[month - 1]
        date = f"{day:02d} {name} {year} {hour:02d}:{minute:02d}:00 {offset}"
        return parsedate_to_datetime(date).timestamp() + float(match[6] or 0)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
