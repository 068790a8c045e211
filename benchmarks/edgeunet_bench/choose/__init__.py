"""The fastest file that is accurate enough on this machine, chosen by measuring."""
