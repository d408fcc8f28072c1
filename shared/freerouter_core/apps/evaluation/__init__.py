"""Probe models, and grade them on questions with known answers."""
