"""What a graph gets right and wrong over many photos: figures, tables, a page, TensorBoard."""
