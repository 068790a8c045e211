"""From one model to another while the loop runs: fallback and reload."""
