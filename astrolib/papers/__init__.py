"""One module per paper: its experiments, in the words of the paper."""
