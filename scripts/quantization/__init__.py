"""Making graphs smaller or 8-bit: one file a pass; each takes a GraphDef, returns a new one."""
