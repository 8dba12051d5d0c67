"""A run folder as a self-contained page and as a table of measured gains."""
