"""``python -m trio_mirror``, and what the command ``trio-mirror`` starts."""


def main() -> None:
    """Runs the command line and exits."""
    # Imported here, since a worker process imports the main module of its parent too.
    from trio_mirror.cli import main as run_command_line

    run_command_line()


if __name__ == "__main__":
    main()
