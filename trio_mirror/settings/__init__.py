"""Every choice once: its field, its unit, its check, where its value came from."""

from trio_mirror.settings.keywords import keywords_of
from trio_mirror.settings.settings import RetryUploads, Settings, UploadAs, available_cores, settings_table

__all__ = ["RetryUploads", "Settings", "UploadAs", "available_cores", "keywords_of", "settings_table"]
