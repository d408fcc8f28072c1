"""Shares of limits and learnt state: in memory, in SQLite for one machine, in Redis for many.

See `Ledger` and `Store`.
"""

from .ledger import Ledger
from .store import MemoryStore, Store, StoreFailed

__all__ = ["Ledger", "MemoryStore", "Store", "StoreFailed"]
