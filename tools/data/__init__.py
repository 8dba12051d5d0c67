"""Text to token stores: descriptions, readers, families, tokens, stores. Run as `python -m tools.data`."""
