"""Pixels: the one reader of images and masks, the letterbox, and drawing. Nothing here needs a network."""
