"""`python -m llamaindex_side FreeRouter` prints that package's results as JSON."""

from . import answers, component, failures, tools  # noqa: F401  # each registers its behaviours
from .fixtures import shows
from .packages import PACKAGES

shows.main(PACKAGES)
