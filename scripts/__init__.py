"""The classic TensorFlow image-retraining commands, for TensorFlow 1 in graph mode."""
