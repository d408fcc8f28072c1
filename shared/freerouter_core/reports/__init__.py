"""What a router tells about itself, as data that prints well."""
