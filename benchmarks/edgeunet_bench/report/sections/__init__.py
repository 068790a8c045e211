"""The tables and plots of each kind of record."""
