"""What the words of an audit's verdict mean, in one text for report and model card; ``judge.verdicts`` decides them.

Nothing that decides imports it, so that another text is no other ruler (``core.measuring``).
"""

VERDICTS = (
    "FAIL: a gap between two groups is shown to be larger than allowed, also given the classes of the pictures where they"
    " are of several, or a group to be below the floor (a group of an intersection of two columns: and lower than classes"
    " explain). PASS: all gaps are shown to be within the limit and all compared groups to be at the floor or above."
    " UNDECIDED: neither is shown, or something holds a pass up: an evaluation that says nothing, a column that could not be"
    " audited, units or pictures too unequal to compare."
)
