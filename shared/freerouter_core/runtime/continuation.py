"""`Continuation`: joins an attempt's text to what a broken stream has already shown."""

from __future__ import annotations

from ..wire.splice import Splice


class Continuation:
    """The rest of an answer that other attempts began. `shown`: the text the caller has seen.

    Every method raises `CannotSplice` if the model starts anew instead of continuing.
    """

    def __init__(self, shown: str) -> None:
        self._shown = shown
        self._splice = Splice(shown)
        self._added: list[str] = []

    def feed(self, text: str) -> str:
        """The part of `text` that is certain to be new by now."""
        if not text:
            return ""
        new = self._splice.feed(text)
        self._added.append(new)
        return new

    def finish(self, text: str) -> tuple[str, str]:
        """(the whole answer, what of it `feed` has not returned).

        `text`: the attempt's own text, used if it came in one piece. The answer is empty if the
        attempt added nothing, so that it is judged as an empty answer.
        """
        unseen = self.feed(text) if not self._added else ""
        unseen += self._close()
        added = "".join(self._added)
        return added and self._shown + added, unseen

    def _close(self) -> str:
        rest = self._splice.close()
        self._added.append(rest)
        return rest
