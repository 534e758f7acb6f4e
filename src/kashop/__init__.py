"""kashop: a shop for card codes, in one process."""

__version__ = "0.1.0"
