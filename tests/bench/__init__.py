"""Benchmarks and long runs: not collected by pytest, started by ``python -m tests.bench``."""
