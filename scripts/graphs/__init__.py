"""Reading, writing, searching and running a GraphDef."""

from scripts.graphs import versions  # noqa: F401  # Before anything else imports TensorFlow.
