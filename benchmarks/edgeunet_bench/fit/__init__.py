"""From a budget to a model: what the device was measured with decides what is trained."""
