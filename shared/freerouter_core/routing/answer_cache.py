"""`AnswerCache`: how answers are kept for requests that ask the same."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..catalogue.addresses import shown_address
from ..errors import BadSetting, construction_forgets_locals, shown_name, shown_value

WEEK = 7 * 86_400.0
MEBIBYTE = 2**20
BESIDE_STATE, OFF = "state", "off"
"""Places of an answer cache that are no address: beside the state; nowhere."""


@construction_forgets_locals
@dataclass(frozen=True, kw_only=True)
class AnswerCache:
    """How answers are kept for requests that ask the same.

    Args:
        ttl: how long an answer may be used: seconds, a `timedelta`, or a text such as "12h". None:
            for ever.
        max_bytes: the size of all answers. The least recently used go first.
        namespace: requests of two namespaces share no answer.
        variants: how many answers to keep of a request that samples. They are handed out in turn,
            once there are as many. A request whose temperature is 0 has one.
        store: where they are kept: "state" (beside what `FREEROUTER_STATE` names), "memory", or an
            address: "sqlite:///path", "redis://host:port/0". "off": nowhere.

    Raises:
        BadSetting: a value makes no sense.
    """

    ttl: float | None = WEEK
    max_bytes: int = 256 * MEBIBYTE
    namespace: str = ""
    variants: int = 1
    store: str = BESIDE_STATE

    def __post_init__(self) -> None:
        object.__setattr__(self, "ttl", _seconds(self.ttl))
        if not isinstance(self.max_bytes, int) or self.max_bytes < 1:
            raise BadSetting(f"max_bytes={_shown_value(self.max_bytes)} must be a number of bytes")
        if not isinstance(self.variants, int) or not 1 <= self.variants <= MAX_VARIANTS:
            raise BadSetting(f"variants={_shown_value(self.variants)} must be 1 to {MAX_VARIANTS}")
        if not isinstance(self.namespace, str):
            raise BadSetting("the namespace of an answer cache must be text")
        _check_place(self.store)

    def __repr__(self) -> str:
        named = shown_name(self.namespace)
        fields = {**vars(self), "namespace": named, "store": self.shown_store}
        return f"AnswerCache({', '.join(f'{name}={value!r}' for name, value in fields.items())})"

    @classmethod
    def of(cls, value: object) -> AnswerCache | None:
        """What an `answer_cache` option means. None: False, which is the default.

        Raises `BadSetting` for what it cannot mean.
        """
        if isinstance(value, cls):
            return value
        if value is None or value is False:
            return None
        if value is True:
            return cls()
        if isinstance(value, str):
            word = value.strip()
            return cls.of(_WORDS[word.lower()]) if word.lower() in _WORDS else cls(store=word)
        if isinstance(value, dict):
            try:
                return cls(**value)
            except TypeError:  # it names what is unknown, which may be a key
                hint = f"it takes {', '.join(cls.__dataclass_fields__)}"
                raise BadSetting("answer_cache has no such option", hint=hint) from None
        raise BadSetting(f"answer_cache={_shown_value(value)} makes no sense", hint=_PLACES)

    @property
    def shown_store(self) -> str:
        """The place, without the password of an address."""
        return _shown(self.store)

    @property
    def is_on(self) -> bool:
        return self.store != OFF


MAX_VARIANTS = 100
_WORDS: dict[str, object] = {
    "": None, "true": True, "1": True, "yes": True, "on": True,
    "false": {"store": OFF}, "0": {"store": OFF}, "no": {"store": OFF},
}  # fmt: skip
"""What words of the environment mean."""
_PLACES = 'True, False, "memory", "sqlite:///path", "redis://host:port/0", or an AnswerCache'
_SCHEMES = ("sqlite:///", "redis://", "rediss://", "unix://")


def _seconds(ttl: object) -> float | None:
    if hasattr(ttl, "total_seconds"):
        ttl = ttl.total_seconds()
    if isinstance(ttl, str):
        from ..wire.retry_after import parse_duration  # its patterns take time at import

        seconds = parse_duration(ttl)
        ttl = ttl if seconds is None else seconds
    if ttl is None or (isinstance(ttl, (int, float)) and not isinstance(ttl, bool) and ttl > 0):
        return None if ttl is None or math.isinf(ttl) else float(ttl)
    raise BadSetting(
        f"ttl={_shown_value(ttl)} must be positive seconds, or None for ever", hint='"7d", "12h"'
    )


def _check_place(place: object) -> None:
    named = isinstance(place, str) and place in (BESIDE_STATE, OFF, "memory", "sqlite")
    if not named and not (isinstance(place, str) and place.startswith(_SCHEMES)):
        shown = (
            repr(_shown(place))
            if isinstance(place, str) and "://" in place
            else _shown_value(place)
        )
        raise BadSetting(f"answers cannot be kept in {shown}", hint=_PLACES)


def _shown_value(value: object) -> str:
    """A wrong value as a message shows it: a number; of all else the type, for it may be a key."""
    return f"a {type(value).__name__}" if isinstance(value, str) else shown_value(value)


def _shown(place: str) -> str:
    return str(shown_address(place)) if "://" in place else place
