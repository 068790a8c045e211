"""Clocks, temperatures, power and load, as the system reports them."""
