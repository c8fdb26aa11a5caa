"""What a network is compiled for: targets, their variability, and their chips."""
