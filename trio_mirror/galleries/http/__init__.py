"""A gallery on an HTTP server."""
