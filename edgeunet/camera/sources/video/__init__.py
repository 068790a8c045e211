"""Video files, read by PyAV."""
