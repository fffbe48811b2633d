"""The lake: the Iceberg catalog and its tables."""
