"""Reports for people: what an audit found, in words, as a table and as one self-contained page."""

from stages.parts.reports._page import Content, Shot, Strip, render, worst_groups
from stages.parts.reports._words import key, reasons, table

__all__ = ["Content", "Shot", "Strip", "key", "reasons", "render", "table", "worst_groups"]
