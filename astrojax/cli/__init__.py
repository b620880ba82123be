"""The command line, a file for each group of commands."""

from .main import entry as entry
from .main import main as main
