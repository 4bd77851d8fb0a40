"""Judging: what was found beside what is there, figures as functions of weights, groups, intervals and verdicts."""
