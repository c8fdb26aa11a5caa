"""A backend in another Python interpreter, and the environments that such interpreters live in."""
