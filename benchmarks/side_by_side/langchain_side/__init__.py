"""What users of LangChain rely on, tried on one package."""
