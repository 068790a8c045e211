"""What a training writes into its run folder."""
