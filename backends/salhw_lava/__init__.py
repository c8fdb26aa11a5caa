"""Loihi 2 through Lava."""
