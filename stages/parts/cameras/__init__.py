"""Cameras that stand in for a real one: ``build(params, seed)`` returns ``(srgb (H, W, 3) uint8) -> core.raw.Frame``."""
