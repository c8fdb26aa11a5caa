"""The paper's systems as builders of descriptions. Listed under the entry point group ``salhw.networks``."""
