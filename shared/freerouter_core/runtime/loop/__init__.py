"""The event loop on its own thread, and the ways into and out of it."""
