"""`python -m quadra`."""

from quadra.cli import main

main()
