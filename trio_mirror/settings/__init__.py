"""Every choice once: its field, its unit, its check, where its value came from."""

from trio_mirror.settings.cores import available_cores
from trio_mirror.settings.fields import Panel, Setting, option_error, option_name
from trio_mirror.settings.keywords import keywords_like, keywords_of
from trio_mirror.settings.options import STDOUT, LogFormat, Options
from trio_mirror.settings.settings import AuthType, RetryUploads, Settings, UploadAs
from trio_mirror.settings.shard import Shard
from trio_mirror.settings.sources import CONFIG_FILE, all_settings, build, choose, shown_config, unknown_variables
from trio_mirror.settings.units import format_duration, format_moment, format_size

__all__ = [
    "CONFIG_FILE",
    "STDOUT",
    "AuthType",
    "LogFormat",
    "Options",
    "Panel",
    "RetryUploads",
    "Setting",
    "Settings",
    "Shard",
    "UploadAs",
    "all_settings",
    "available_cores",
    "build",
    "choose",
    "format_duration",
    "format_moment",
    "format_size",
    "keywords_like",
    "keywords_of",
    "option_error",
    "option_name",
    "shown_config",
    "unknown_variables",
]
