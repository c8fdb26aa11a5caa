"""The target ``brainscales2``: an analog chip with hybrid plasticity, emulated on NEST."""
