"""Makes graphs smaller or 8-bit: one file a pass; each takes a GraphDef and returns a new one."""
