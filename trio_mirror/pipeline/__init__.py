"""The heart: one nursery in which channels join producer, transformer, uploader and recorder."""
