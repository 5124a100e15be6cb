"""Coverage-guided fuzzing of the parsers, with atheris; not run by pytest."""
