"""Real frames, the value range of each tensor, and the calibration table."""
