"""Tables and plots, from which reports, verdicts and model cards are built."""
