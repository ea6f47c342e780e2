"""What a full backup holds beside the data, for whoever builds the machine anew: the settings without their secrets, and the
log files of the last week.
"""

from __future__ import annotations

import tarfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import IO, cast

from quadra.core import environment
from quadra.core.observing.log_files import own_files
from quadra.core.observing.redaction import Redaction, secrets_of
from quadra.core.settings import Settings

LOG_SECONDS = 7 * 24 * 3600


def settings_text(settings: Settings) -> str:
    """What was given, a line each, as `.env` takes it; `***` stands for a secret."""
    redaction, given = Redaction(secrets_of(settings)), environment.given(Settings.model_fields)
    return "".join(f"{name}={redaction.value(name, value)}\n" for name, value in sorted(given.items()))


def recent_logs(settings: Settings) -> list[Path]:
    """Files that were written to within a week."""
    since = time.time() - LOG_SECONDS
    found = own_files(settings.logs_dir) if settings.logs_dir else ()
    return [path for path in found if path.stat().st_mtime >= since]


def tar_files(files: Iterable[Path], home: Path, packer: object) -> None:
    """A tar of them, named by where they lie below `home`."""
    with tarfile.open(fileobj=cast(IO[bytes], packer), mode="w|") as tar:
        for path in files:
            with path.open("rb") as file:  # a log file that grows meanwhile is taken as long as it is now
                tar.addfile(tar.gettarinfo(arcname=path.relative_to(home).as_posix(), fileobj=file), file)
