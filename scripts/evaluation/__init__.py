"""What a graph gets right and wrong over many photos: metrics, a report, TensorBoard."""
