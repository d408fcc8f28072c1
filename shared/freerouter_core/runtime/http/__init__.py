"""HTTP: the one place that sends requests."""
