"""Where variables come from: the environment, dotenv files, the settings file, kept keys.

A file of the working directory was merely found there. Somebody else may have made the folder, so
it is believed less than what the user wrote: code, the environment, and the settings file of the
user's own configuration directory (law 13). `trust` makes a found file the user's.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dotenv import dotenv_values
from dotenv.variables import Variable, parse_variables

from ..errors import BadSetting, forgets_locals
from .trust import is_trusted, read_bounded

ENVIRONMENT = "environment"
"""The name of the process's own variables as a source."""


@dataclass(frozen=True, slots=True)
class Source:
    """One source of variables.

    Attributes:
        name: "environment", or the file as it is shown.
        found: whether it is a file that was merely found in the working directory.
        kept: whether it holds keys that the user gave to `freerouter keys set`.
        values: what it sets, by name in upper case. An empty variable is not set.
    """

    name: str
    found: bool = False
    values: Mapping[str, str] = field(default_factory=dict, repr=False)
    kept: bool = False


class Variables:
    """Variables of several sources. The first source that sets one counts, and case does not.

    It is no mapping, and it shows no value: the environment is full of secrets, and many tools show
    the variables of a frame that failed.
    """

    def __init__(self, sources: Iterable[Source] = ()) -> None:
        self.sources = tuple(sources)

    def get(self, name: str, /) -> str | None:
        """The value of a variable. None: it is not set."""
        source = self.source_of(name)
        return None if source is None else source.values[name.upper()]

    def source_of(self, name: str) -> Source | None:
        """The source that sets a variable. None: it is not set."""
        upper = name.upper()
        return next((source for source in self.sources if upper in source.values), None)

    def __repr__(self) -> str:
        counts = (f"{source.name}: {len(source.values)}" for source in self.sources)
        return f"Variables({', '.join(counts)})"


def source_of_mapping(name: str, values: Mapping[str, str], *, found: bool = False) -> Source:
    """A source of plain variables, such as `os.environ`."""
    in_order = sorted(values, key=str.isupper)  # where only the case differs, upper case counts
    kept = {variable.upper(): values[variable] for variable in in_order if values[variable]}
    return Source(name, found, kept)


@forgets_locals
def read_dotenv(path: Path, environment: Mapping[str, str]) -> Source:
    """A dotenv file as a source; empty if there is no such file.

    `${NAME}` stands for a variable of the same file. Only a trusted file can use the environment's:
    another could put the user's keys into an address.

    Raises:
        BadSetting: the file cannot be read.
    """
    try:
        absent = not path.exists() or path.is_dir()  # a pipe is a file, too
        content = b"" if absent else read_bounded(path)
        raw = dotenv_values(stream=io.StringIO(content.decode()), interpolate=False)
    except (OSError, ValueError) as error:
        raise BadSetting(
            f"{path.name} cannot be read: {type(error).__name__}", hint="it must be text in UTF-8"
        ) from None
    trusted = is_trusted(content)
    known = dict(environment) if trusted else {}
    values: dict[str, str] = {}
    for name, value in raw.items():
        if value is not None:
            known[name] = values[name] = "".join(_expanded(value, known))
    return source_of_mapping(path.name, values, found=not trusted)


def _expanded(value: str, known: Mapping[str, str]) -> Iterator[str]:
    """The parts of a value. What is not known stays as it is written."""
    for part in parse_variables(value):
        if isinstance(part, Variable) and part.name not in known and part.default is None:
            yield f"${{{part.name}}}"
        else:
            yield part.resolve(known)
