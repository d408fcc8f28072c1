"""What the REST service is made of."""
