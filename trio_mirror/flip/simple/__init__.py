"""The simple raster formats."""
