"""`stated_output_limit`: the tokens that a refusal says an answer may have at most.

A refusal that names the parameter and its bound is about that parameter, whatever else it mentions:
Groq's speaks of the context window, too. One that adds the prompt to it is about both.
"""

from __future__ import annotations

import re


def stated_output_limit(text: str) -> int | None:
    """The largest output, in tokens, that a refusal names; None: it names none."""
    match = _PATTERN.search(text)
    if match is None:
        return None
    number, is_exclusive = next(
        (value, name.endswith("x"))
        for name, value in match.groupdict().items()
        if value and name.startswith("n")
    )
    limit = int(number.replace(",", ""))
    return limit - 1 if is_exclusive or match["open"] else limit


_NOT_ADDED = "".join(
    f"(?<!{adding}{quote})"
    for adding in (r"\+", r"\+ ", "and ", "plus ")
    for quote in ("", r"\W", r"\W\W")  # JSON writes a quotation mark as two
)
_OF_OUTPUT = r"(?:completion|output|new|response)"
_NAME = (
    rf"{_NOT_ADDED}\bmax(?:_?{_OF_OUTPUT})?_?tokens\b"
    rf"|{_NOT_ADDED}\bmax(?:imum)? (?:{_OF_OUTPUT} tokens|tokens (?:value|(?:you )?requested))\b"
)
_NAME = rf"(?:{_NAME})"
"""The parameter, unless something is added to it. "Maximum tokens" alone may be the prompt's."""
_OTHER = r"(?:context|prompt|input|message|total|sum|plus|combin)"
_GAP = rf"(?:(?!\b{_OTHER}|\+)[\s\S]){{0,60}}?"
"""What may stand between the parameter and its bound: nothing else that has a length."""
_LARGE = r"(?:greater|larger|higher|more|bigger)"
_SMALL = r"(?:less|lower|smaller|fewer)"
_END = r"(?![\d,]*\d)(?! ?(?:tokens? )?(?:[-+]|minus\b|including\b))"


def _number(name: str) -> str:
    return rf"\W{{0,3}}(?P<{name}>\d{{1,3}}(?:,\d{{3}}){{1,2}}|\d{{2,7}}){_END}"


OUTPUT_BOUND = (
    # Groq, OpenAI, Azure (anomalyco/opencode#1000), and servers in their words
    rf"{_NAME}{_GAP}(?:\b{_SMALL} than or equal to|\bat most|\bno {_LARGE} than"
    rf"|(?:not|n't) (?:be )?{_LARGE} than|(?:not|n't) exceed){_number('n1')}"
    rf"|{_NAME}{_GAP}(?:<=|≤) ?{_number('n2')}"
    rf"|{_NAME}{_GAP}(?:\b(?:{_SMALL} than|below|under)|<){_number('n3x')}"
    # Bedrock, proxies
    rf"|{_NAME}{_GAP}\b(?:exceed(?:s|ed|ing)?|above|over|{_LARGE} than) (?:the |its |this )?"
    rf"(?:model(?:'s)? )?(?:max(?:imum)?|limit|cap)\b(?: (?!{_OTHER})[a-z]{{1,15}}){{0,4}}"
    rf"{_number('n4')}"
    # Anthropic: "max_tokens: 64000 > 8192, which is the maximum allowed number of output tokens"
    rf"|{_NAME}\W{{1,4}}\d{{1,9}} ?> ?{_number('n5')}"
    # Alibaba, Vertex: a range
    rf"|{_NAME}{_GAP}\b(?:between|range|within|in)\b(?: is| of| from| should be)*\W{{1,3}}\d{{1,6}}"
    rf"(?: \(\w{{1,12}}\))?(?: and | to |, ?| ?- ?|\.\.){_number('n6')}(?P<open> \(exclusive)?"
    # Z.ai, SiliconFlow, DeepSeek
    rf"|\b(?:range|max(?:imum)?|limit|cap)\b(?: (?!{_OTHER})[a-z]{{1,15}}){{0,3}}"
    rf" (?:of|for|on)\W{{1,3}}{_NAME}\W{{1,3}}(?:is|was|(?:should|must) be)"
    rf"(?:\W{{1,3}}\d{{1,6}}(?:, ?| to | ?- ?))?{_number('n7')}"
)  # fmt: skip
"""How anybody states it, without regard to case."""
_PATTERN = re.compile(OUTPUT_BOUND, re.IGNORECASE)
