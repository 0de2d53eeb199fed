"""Events, presence and figures of all nodes, over one Redis stream."""
