"""What predictions on rows with gold labels tell of a model: errors by kind, scores by class, calibration."""

MOST_ROWS = 5000
"""Dev rows of a task that are analysed for a report by default, at most; of more, so many are sampled."""
