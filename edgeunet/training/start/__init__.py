"""Starting from layers that are trained already."""
