"""Commands: one of the command line's words in each file."""
