"""What no user names: checks, errors, files, random numbers, and the vocabulary of parameters."""
