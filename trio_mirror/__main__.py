"""``python -m trio_mirror``, and what the command ``trio-mirror`` starts."""

import signal


def main() -> None:
    """Runs the command line and exits."""
    # Imported here, since a worker process imports the main module of its parent too.
    try:
        from trio_mirror.cli.command import main as run_command_line

        run_command_line()
    except KeyboardInterrupt:
        # It was still starting up, and there is nothing yet that it could tell.
        raise SystemExit(128 + signal.SIGINT) from None
    finally:
        # It has ended: one that comes while Python takes itself down would be a traceback.
        signal.signal(signal.SIGINT, signal.SIG_IGN)


if __name__ == "__main__":
    main()
