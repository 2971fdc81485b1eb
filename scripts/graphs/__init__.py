"""Reading, writing, searching and running a GraphDef."""
