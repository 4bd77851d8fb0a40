"""Demosaicing methods written plainly, on whole frames in float64: the oracles of the compiled ones."""
