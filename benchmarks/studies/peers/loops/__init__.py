"""Both loops on a video, on one that is cut, and behind a camera that freezes."""
