"""`checked_part`: whether a refused picture, file or tool says what a model lacks.

A lesson of this kind keeps a model from every such request for hours. One corrupt picture must not
teach it. So a model that has answered such a request before, and a refusal whose words are about
one part, are doubted at first: the request goes to others, and nothing is learnt. A refusal of
another part, with no answer in between, teaches. A model that takes such parts is never taught by
words about one of them.

Parts of older turns are not doubted: the model is asked again, and told in words what was there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ..catalogue.model import ModelIdentity
from ..wire.fault import Cause, Fault
from ..wire.part_words import PARTS
from ..wire.request import ChatRequest
from .fingerprints import fingerprint
from .health_book import HealthBook
from .plan import Plan


def checked_part(fault: Fault, identity: ModelIdentity, plan: Plan, book: HealthBook) -> Fault:
    """The fault, without what is not believed of the model yet."""
    need, words = plan.need, fault.lacks & PARTS
    if not words or words & (need.older_inputs - need.inputs):
        return fault
    takes = any(way.good for word, way in book.of(identity).ways.items() if word in words)
    if not (takes or fault.effect.of_part):
        return fault
    print_ = print_of(plan)
    again = [book.doubted_parts.get((identity, word), print_) != print_ for word in words]
    book.doubted_parts |= {(identity, word): print_ for word in words}
    if any(again) and not (takes and fault.effect.of_part):
        return fault
    return replace(fault, cause=Cause.BAD_PART, lacks=frozenset(), teaches=False)


def print_of(plan: Plan) -> int:
    """What tells the parts of one request from those of another, in this process."""
    request = plan.request
    if not isinstance(request, ChatRequest):
        return 0
    contents = (message.get("content") for message in request.messages)
    parts = [part for content in contents if isinstance(content, list) for part in content]
    media = [
        part for part in parts if not (isinstance(part, Mapping) and part.get("type") == "text")
    ]
    return hash((fingerprint(media), fingerprint(request.tools)))
