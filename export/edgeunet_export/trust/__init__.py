"""How far to trust a mask: its confidence and the frame's familiarity, fitted, built into the model file and judged."""
