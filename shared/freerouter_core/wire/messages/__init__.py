"""Anthropic's Messages API from the server's side: bodies in, answers, events and errors out."""
