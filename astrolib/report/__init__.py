"""Numbers in, figures and tables out; nothing here trains or loads a survey."""
