"""Streams over RTSP and HTTP."""
