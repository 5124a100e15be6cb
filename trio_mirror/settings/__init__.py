"""Every choice once: its field, its unit, its check, where its value came from."""

from trio_mirror.settings.settings import RetryUploads, Settings, UploadAs, available_cores, settings_table

__all__ = ["RetryUploads", "Settings", "UploadAs", "available_cores", "settings_table"]
