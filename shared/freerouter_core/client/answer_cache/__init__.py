"""Equal requests cost nothing: kept answers, and requests under way that several wait for."""
