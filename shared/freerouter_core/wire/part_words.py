"""Whether a refusal is about what a request holds, or about what a model can do.

"Could not process image" is about one picture, "does not support images" about a model. Many
refusals of the first kind use the words of the second: "images larger than 20MB are not supported".
So a wording that goes on with a size, a format, a state or a condition says nothing of a model yet.
"""

from __future__ import annotations

import re

from .rule_words import AGAIN_LATER

PARTS = frozenset({"image", "audio", "video", "file", "tools"})
"""What models can lack, and what can be wrong with a part of a request. Words of lacks."""
_OF_ONE = re.compile(
    r"\b(?:larger|longer|bigger|more|fewer|less|greater|smaller|shorter|deeper|higher|lower)\b"
    r"(?: \w{1,12})? than\b"
    r"|\btoo (?:many|large|long|big|small|short|deep|complex)\b|\bexceed|\bat most [1-9]"
    r"|\bonly [1-9]\d{0,3} \w|\b(?:maximum|minimum|limit) (?:of|is|size)\b|\b\d{1,6} ?[kmg]i?b\b"
    r"|\bcorrupt|\bencrypt|\bpassword|\bprotected\b|\bpixels?\b|\bdecod|\bdamaged?\b|\bmalformed\b"
    r"|\b(?:not|isn't) (?:a )?(?:valid|readable)\b"
    r"|\binvalid (?:image|audio|video|file|pdf) (?:data|file)"
    r"|\bcould(?: not|n't) (?:be )?(?:process|read|load|open|decode|handle|identif|fetch|download)"
    r"|\b(?:unable|failed) to (?:process|read|load|open|decode|handle|identify|fetch|download)"
    r"|\b(?:image|audio|video|application|text)/[a-z]|\b(?:format|encoding|codec|file type)\b"
    r"|\bschemas?\b|\bkeyword|\bnames? (?:longer|with|of|must)|\bdescription"
    r"|\b(?:if|unless|while|together|combined|because|after|before)\b"
    r"|\b(?:support|allow|accept|enabl|availabl)\w{0,3}\b[^.]{0,40}? (?:with|without|when)\b"
    r"|\b(?:images?|audio|videos?|files?|pdfs?|documents?|urls?|tools?) with\b"
    r"|\b(?:your|this|the)(?: \w{1,12})? (?:plan|account|tier|region)\b|\bfor users\b",
    re.IGNORECASE,
)
_LATER = re.compile(rf"{AGAIN_LATER}|\bright now\b|\btemporar", re.IGNORECASE)


def is_of_one_part(message: str) -> bool:
    """Whether a refusal tells what is wrong with a part, and not only that there is one."""
    return _OF_ONE.search(message) is not None


def is_for_now(message: str) -> bool:
    """Whether a refusal says that it is over soon."""
    return _LATER.search(message) is not None
