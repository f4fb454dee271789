"""Models and data code for self-supervised learning in astronomy; the notebooks tell the story."""
