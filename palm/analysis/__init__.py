"""What predictions on rows with gold labels tell of a model: errors by kind, scores by class, calibration."""
