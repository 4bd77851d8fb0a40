"""The pipeline: one module per stage, from the camera's raw mosaic to an audited vision model."""
