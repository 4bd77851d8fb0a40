"""``rawline develop``: the camera stage's door for a person with camera files."""

from pipelines.develop.one import develop_file

__all__ = ["develop_file"]
