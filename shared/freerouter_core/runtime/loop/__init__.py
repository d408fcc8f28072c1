"""The event loop on its own thread, and the ways to and from it."""
