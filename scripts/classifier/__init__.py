"""The new layer: sampling, training, metrics, summaries, export."""
