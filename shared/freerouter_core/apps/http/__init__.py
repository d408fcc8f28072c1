"""The parts of the REST service: its paths, access control, errors and page."""
