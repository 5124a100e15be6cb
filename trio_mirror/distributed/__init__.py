"""One run over many workers: processes on this machine, or a Ray cluster."""
