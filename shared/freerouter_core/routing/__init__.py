"""Which model next, when, and what to make of what came of it. Pure: time and chance come in as arguments."""
