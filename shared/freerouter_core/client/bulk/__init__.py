"""Bulk jobs: many requests over days, kept in a file, resumed where they stood."""

from .bulk import Bulk
from .partition import partition
from .result import BulkResult

__all__ = ["Bulk", "BulkResult", "partition"]
