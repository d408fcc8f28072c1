"""Which model to ask next, when, and what to learn from the result.

Pure: time and chance come in as arguments. The theory is at the top of `engine`.
"""
