"""The one training loop (fit), its learning-rate schedules (optim) and what a run leaves on disk (runs)."""
