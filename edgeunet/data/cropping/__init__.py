"""Training crops: which they are, how they are augmented, and where they lie."""
