"""Measure what a chip's weights, neurons and correlation sensors really do, and correct for it."""
