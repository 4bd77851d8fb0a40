"""The registry: one folder is one family, one file is one part, its name the word in ``params.yaml``."""
