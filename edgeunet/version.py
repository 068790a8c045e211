"""The version of this package, in what it writes too."""

__version__ = "0.1.0"
