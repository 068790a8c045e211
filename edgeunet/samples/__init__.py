"""A few labelled road frames and one driving clip, so that everything can be tried without data of one's own."""

from pathlib import Path

FOLDER = Path(__file__).parent
DATASET = FOLDER / "road"
CLIP = FOLDER / "clip" / "highway.mp4"
