"""check -> lower -> quantise -> place: pure functions from a description to an executable."""
