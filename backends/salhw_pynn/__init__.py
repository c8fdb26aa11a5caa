"""Targets that are reached through PyNN: NEST, and an analog chip emulated on it."""
