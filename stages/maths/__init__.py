"""Pure functions on arrays: they import nothing of the project and read no file."""
