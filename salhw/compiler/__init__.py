"""The passes that turn a description into an executable: check, lower, quantise, place."""
