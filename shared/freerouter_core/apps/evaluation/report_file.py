"""`ReportFile`: a JSON file of the user's choice that results go to as they come, so that an interruption loses none."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...errors import BadSetting
from ...runtime.json_cache import read_json, write_json

HINT = "name another file with --report"


class ReportFile:
    """`path` is looked at before anything is asked: raises `BadSetting` where it cannot be written, or holds something else than a report
    (`is_report` says). What it held is kept beside it from the first result on, unless it is `resumed`. A device or a pipe is told at the
    end alone."""

    def __init__(
        self, path: Path, is_report: Callable[[Any], bool], *, resumed: bool = False
    ) -> None:
        self.plain = not path.exists() or path.is_file()
        self.path = path.resolve() if self.plain else path
        self.held: Any = None
        self.aside = False
        if self.path.is_dir():
            raise BadSetting(f"{path} is a folder", hint=HINT)
        if not self.plain:
            return
        if not self.path.parent.is_dir():
            raise BadSetting(f"{path}: there is no such folder", hint=HINT)
        if not os.access(self.path.parent, os.W_OK):
            raise BadSetting(f"{path} could not be written", hint=HINT)
        if self.path.exists() and self.path.stat().st_size:
            self.held = read_json(self.path)
            if not is_report(self.held):
                raise BadSetting(f"{path} holds something else than a report", hint=HINT)
            self.aside = not resumed

    def write(self, told: Any) -> None:
        """Replace what it holds."""
        if not self.plain:
            return
        if self.aside:
            self._try(lambda: self.path.replace(self.path.with_name(f"{self.path.name}.before")))
            self.aside = False
        problem = write_json(self.path, told)
        if problem is not None:
            raise BadSetting(f"{self.path} could not be written: {problem}", hint=HINT)

    def end(self, told: Any) -> None:
        """All results are there."""
        if not self.plain:
            self._try(lambda: self.path.write_text(json.dumps(told) + "\n", "utf-8"))

    def _try(self, work: Callable[[], object]) -> None:
        try:
            work()
        except OSError as error:
            raise BadSetting(
                f"{self.path} could not be written: {type(error).__name__}", hint=HINT
            ) from None
