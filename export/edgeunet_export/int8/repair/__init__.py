"""Repairs of INT8 models that lose too much: equalisation, ranges, biases, and convolutions that stay in float."""
