"""Poseline: real-time keypoints from a webcam, a stream, a video or a picture."""

__version__ = "0.1.0"
