"""The verdict, a pure function of samples."""
