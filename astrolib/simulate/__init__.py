"""Survey twins: catalogues and pixels of simulated surveys, drawn from published relations."""
