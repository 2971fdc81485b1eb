"""A folder of photos becomes labels, lists and a stable split. No TensorFlow here."""
