"""The layouts that labelling tools and datasets have, a file for each family: how it is recognised, and its reader."""
