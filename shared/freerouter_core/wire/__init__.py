"""Shapes on the wire, and what they mean. Pure: bytes and dicts in, facts out."""
