"""All that waits, tells time and writes: one thread, one event loop, one driver a request."""
