"""Two excitatory neurons that inhibit each other through interneurons: SAL under Dale's law."""
