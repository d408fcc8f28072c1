"""Embeddings and reranking: whole lists of texts, through the same engine as chats."""
