"""A worker that makes an export and is killed: `python -m tests.analytics.export_crash DATABASE_URL DATA_DIR WHEN`."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from quadra.analytics import export_job
from quadra.core.runtime import Runtime
from quadra.core.settings import load
from tests.analytics.exports import claimed, opened_again


def killed(*_: Any) -> Any:
    os.kill(os.getpid(), signal.SIGKILL)


def main(url: str, data: Path, when: str) -> None:
    if when == "while it writes":
        export_job.Watch.passed = killed  # type: ignore[method-assign]
    elif when == "before the commit":
        export_job._offer = killed
    runtime: Runtime = opened_again(load(database_url=url, data_dir=data, export_free_mb=0))
    export_job.make_file(runtime, claimed(runtime))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
