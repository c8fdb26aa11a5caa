"""The network description: what a person says, on one time grid, for any target."""
