"""`python -m astrojax.cli` is the command `astrojax`."""

from .main import entry

entry()
