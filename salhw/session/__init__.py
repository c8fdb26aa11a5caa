"""A network at work: executables, the sessions that run them, and what they record."""
