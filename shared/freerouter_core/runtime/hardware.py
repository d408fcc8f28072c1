"""`memory`: how large a local model this machine can hold.

psutil and nvidia-ml-py are used if they are installed (the extra `local`). Without them the
operating system is asked. If that does not tell either, no model is left out.
"""

from __future__ import annotations

import os
from functools import lru_cache


@lru_cache(maxsize=1)
def memory() -> int:
    """Bytes a local model may take: of all graphics cards, or of main memory. 0: not known."""
    return max(_graphics_memory(), _main_memory())


def _main_memory() -> int:
    try:
        import psutil

        return int(psutil.virtual_memory().total)
    except ImportError:
        pass
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):  # another operating system
        return 0


def _graphics_memory() -> int:
    try:
        import pynvml
    except ImportError:
        return 0
    try:
        pynvml.nvmlInit()
        count = pynvml.nvmlDeviceGetCount()
        handles = [pynvml.nvmlDeviceGetHandleByIndex(n) for n in range(count)]
        cards = [pynvml.nvmlDeviceGetMemoryInfo(handle).total for handle in handles]
        pynvml.nvmlShutdown()
    except pynvml.NVMLError:  # no driver
        return 0
    return int(sum(cards))
