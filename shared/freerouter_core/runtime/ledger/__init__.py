"""Where grants are kept. One interface; `memory` is one process's."""

from .memory import MemoryLedger

__all__ = ["MemoryLedger"]
