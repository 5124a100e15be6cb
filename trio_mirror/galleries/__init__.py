"""Places that can list picture names, fetch a picture and store one."""
