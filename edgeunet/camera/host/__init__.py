"""The system around the loop: systemd, throttling, memory and the terminal."""
