"""`ReportFile`: a JSON file of the user's choice that results go to as they come, so that an interruption loses none."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import BadSetting
from ..runtime.disk import read_json, write_json

HINT = "name another file with --report"


class ReportFile:
    """`path` is looked at before anything is asked: raises `BadSetting` where it cannot be written, or holds something else than a report
    (`is_report` says). What it held is kept beside it, unless it is `resumed`."""

    def __init__(self, path: Path, is_report: Callable[[Any], bool], *, resumed: bool = False) -> None:
        self.path = path.resolve()
        self.held: Any = None
        if not self.path.parent.is_dir():
            raise BadSetting(f"{path}: there is no such folder", hint=HINT)
        if self.path.is_dir():
            raise BadSetting(f"{path} is a folder", hint=HINT)
        self.plain = not self.path.exists() or self.path.is_file()
        if self.plain and self.path.exists() and self.path.stat().st_size:
            self.held = read_json(self.path)
            if not is_report(self.held):
                raise BadSetting(f"{path} holds something else than a report", hint=HINT)
            if not resumed:
                self._try(lambda: self.path.replace(self.path.with_name(f"{self.path.name}.before")))
        if self.plain:
            self._try(lambda: self.path.touch())

    def write(self, told: Any) -> None:
        """Replace what it holds; a device or a pipe is written to."""
        if self.plain:
            problem = write_json(self.path, told)
            if problem is not None:
                raise BadSetting(f"{self.path} could not be written: {problem}", hint=HINT)
        else:
            self._try(lambda: self.path.write_text(json.dumps(told) + "\n", "utf-8"))

    def _try(self, work: Callable[[], object]) -> None:
        try:
            work()
        except OSError as error:
            raise BadSetting(f"{self.path} could not be written: {type(error).__name__}", hint=HINT) from None
