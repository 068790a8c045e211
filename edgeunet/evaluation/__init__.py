"""Scoring a model on a labelled split, the same for a checkpoint and for every model file, and showing where it fails.

As the literature does it: class IoU from one confusion matrix over the whole split, and boundary F1, without ignored
pixels, at the resolution of the labels.
"""
