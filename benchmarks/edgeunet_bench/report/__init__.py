"""What is shown of records, comparisons and qualifications: tables, plots, one page."""
