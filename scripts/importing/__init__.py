"""From networks in other formats to frozen graphs that run in both lines of TensorFlow."""
