"""What runs beside Lava: plain data in, plain data out. Python 3.10; imports no salhw."""
