"""How far each mask may be trusted, and why."""
