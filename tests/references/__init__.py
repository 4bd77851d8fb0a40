"""Plain references: slow, obvious, in float64."""
