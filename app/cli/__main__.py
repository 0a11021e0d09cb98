"""`python -m app.cli` is `passerelle`."""

from app.cli import main

main()
