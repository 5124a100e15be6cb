"""Mirror every picture of a gallery left to right, all at once, under structured concurrency."""

__version__ = "0.1.0"
