"""Pixels become vectors, a batch at a time, with a cache of text files on disk."""
