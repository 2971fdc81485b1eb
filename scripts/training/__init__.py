"""The trained part: model, batches, the training loop, checkpoints, summaries."""
