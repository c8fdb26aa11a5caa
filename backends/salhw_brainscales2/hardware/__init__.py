"""What a BrainScaleS-2-style chip does that a simulator does not: correlation sensors, a plasticity processor."""
