"""``python -m trio_mirror``."""

from trio_mirror.cli import main

main()
