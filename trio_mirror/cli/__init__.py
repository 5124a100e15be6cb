"""The command line: options, then settings, then a run, then an exit code."""
