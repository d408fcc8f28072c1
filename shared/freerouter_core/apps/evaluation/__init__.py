"""Questions with known answers, and the grades that models get for theirs."""
