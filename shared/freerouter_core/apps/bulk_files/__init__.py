"""Files that a job is read from and written to: JSON lines, OpenAI's batches, CSV and Parquet."""
