"""The only part that waits, tells time and writes: one thread, one event loop, one driver."""
