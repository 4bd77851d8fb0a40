"""Reports for people: what an audit found, in words, as a table and as one self-contained page."""

from stages.parts.reports._open import Drawn, left_open
from stages.parts.reports._page import Content, Shot, Strip, render, worst_groups
from stages.parts.reports._table import table
from stages.parts.reports._words import key, nothing, reasons, refusals, remarks

__all__ = [
    "Content",
    "Drawn",
    "Shot",
    "Strip",
    "key",
    "left_open",
    "nothing",
    "reasons",
    "refusals",
    "remarks",
    "render",
    "table",
    "worst_groups",
]
