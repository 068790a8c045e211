"""The guard measured by itself: how often it calls what, on trials whose truth is known."""
