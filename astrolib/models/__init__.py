"""Networks: tensors in, tensors out. Nothing here knows a file, a survey or a profile."""
