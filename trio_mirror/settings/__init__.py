"""Every choice once: its field, its unit, its check, where its value came from."""

from trio_mirror.settings.fields import option_error, option_name
from trio_mirror.settings.keywords import keywords_of
from trio_mirror.settings.settings import RetryUploads, Settings, UploadAs, available_cores, settings_table
from trio_mirror.settings.shard import Shard
from trio_mirror.settings.units import format_duration, format_size

__all__ = [
    "RetryUploads",
    "Settings",
    "Shard",
    "UploadAs",
    "available_cores",
    "format_duration",
    "format_size",
    "keywords_of",
    "option_error",
    "option_name",
    "settings_table",
]
