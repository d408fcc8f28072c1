"""What is kept to be used again, here or in other processes, and requests that several wait for."""
