"""OpenAI's Responses API from the server's side: requests, items, answers and events as data."""
