"""What users of LlamaIndex rely on, tried on one package."""
