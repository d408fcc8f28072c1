"""`ReportFile`: a JSON file that is written after every result, so that Ctrl-C loses none."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

from ...errors import BadSetting
from ...runtime.json_cache import read_json, write_json

HINT = "name another file with --report"


class ReportFile:
    """A file of results.

    An existing report is renamed to `<name>.before` at the first write. With `resumed` it is
    replaced instead. A device or a pipe is written once, at the end.

    Args:
        path: where to write.
        is_report: whether the present content of the file is a report.
        resumed: whether the new results continue the present ones.

    Raises:
        BadSetting: the path cannot be written, or the file is not a report. Nothing was changed.
    """

    def __init__(
        self, path: Path, is_report: Callable[[object], bool], *, resumed: bool = False
    ) -> None:
        self.regular = not path.exists() or path.is_file()
        self.path = path.resolve() if self.regular else path
        self.content: object = None
        self.keep_old = False
        if self.path.is_dir():
            raise BadSetting(f"{path} is a folder", hint=HINT)
        if not self.regular:
            return
        if not self.path.parent.is_dir():
            raise BadSetting(f"{path}: there is no such folder", hint=HINT)
        if not os.access(self.path.parent, os.W_OK):
            raise BadSetting(f"{path} cannot be written", hint=HINT)
        if self.path.exists() and self.path.stat().st_size:
            self.content = read_json(self.path)
            if not is_report(self.content):
                raise BadSetting(f"{path} holds something else than a report", hint=HINT)
            self.keep_old = not resumed

    def write(self, report: object) -> None:
        """Replace the content of the file."""
        if not self.regular:
            return
        if self.keep_old:
            old = self.path.with_name(f"{self.path.name}.before")
            self._checked(lambda: self.path.replace(old))
            self.keep_old = False
        problem = write_json(self.path, report)
        if problem is not None:
            raise BadSetting(f"{self.path} cannot be written: {problem}", hint=HINT)

    def finish(self, report: object) -> None:
        """Write the complete report to a device or a pipe. A regular file has it already."""
        if not self.regular:
            self._checked(lambda: self.path.write_text(json.dumps(report) + "\n", "utf-8"))

    def _checked(self, write: Callable[[], object]) -> None:
        try:
            write()
        except OSError as error:
            raise BadSetting(
                f"{self.path} cannot be written: {type(error).__name__}", hint=HINT
            ) from None
