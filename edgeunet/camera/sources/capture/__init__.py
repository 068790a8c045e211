"""Cameras and pipelines that OpenCV opens."""
