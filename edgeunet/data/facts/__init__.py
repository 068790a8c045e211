"""What is counted in one labelled frame: its file, its picture, the objects and the edges of its mask."""
