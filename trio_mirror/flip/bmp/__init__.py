"""BMP and DIB."""
