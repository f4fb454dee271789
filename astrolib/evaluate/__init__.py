"""Arrays in, numbers out: how good a prediction is, and how sure that is."""
