"""A Jupyter kernel whose ranks start with it, and the command that installs it."""
