"""A column of early sensory cortex, cell type by cell type and layer by layer (Potjans and Diesmann 2014)."""
