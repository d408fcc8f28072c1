"""`Router`, and what it needs to turn a request into an answer."""
