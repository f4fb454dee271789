"""Surveys on disk and in memory: reading, scaling, augmenting and batching them."""
