"""What runs in the process of its own that NEST gets: PyNN and NEST are imported here and nowhere else.

Plain functions on plain data (dictionaries, arrays), called by name through salhw's worker. NEST holds one network
per process.
"""
