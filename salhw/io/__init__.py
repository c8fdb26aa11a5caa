"""Files: versioned JSON for descriptions, HDF5 for arrays. Never pickle, never eval."""
