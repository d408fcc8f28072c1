"""Shares of limits, and what was learnt: in memory, in SQLite for a machine, in Redis for many. See `Ledger` and `Store`."""

from .ledger import Ledger
from .store import MemoryStore, Store, StoreFailed

__all__ = ["Ledger", "MemoryStore", "Store", "StoreFailed"]
