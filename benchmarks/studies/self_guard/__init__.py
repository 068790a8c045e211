"""The project guards itself: its working tree against the commit of its last release, on one machine in one run."""
