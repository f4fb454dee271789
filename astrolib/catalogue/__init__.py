"""Catalogues predicted by trained networks: a survey in shards in, Parquet files out."""
