"""What a network's file, and the files beside it, say about how it is fed and what its classes are called."""
