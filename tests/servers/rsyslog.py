"""A real rsyslogd that reads our log files and nothing of the machine's."""

from __future__ import annotations

from tests.servers.available import rsyslog
from tests.servers.base import Server
from tests.servers.keeper import Keeper


class RsyslogServer(Server):
    name = "rsyslog"
    as_nobody = False  # it reads files of mode 0640, as a shipper does that runs as root or in their group

    def __init__(self, keeper: Keeper, *, config: str):
        self.program = rsyslog()
        self._config = config
        super().__init__(keeper)

    def _create(self) -> None:
        work = self.directory / "work"
        work.mkdir()
        self._own(work)
        text = f'global(workDirectory="{work}")\n{self._config}'
        (self.directory / "rsyslog.conf").write_text(text)
        (self.directory / "rsyslog.conf").chmod(0o644)
        self._run(self.program, "-N1", "-f", self.directory / "rsyslog.conf")  # its own check of the syntax

    def _command(self) -> list[str]:
        return [str(self.program), "-n", "-f", "rsyslog.conf", "-i", str(self.directory / "pid")]

    def _probe(self) -> None:
        assert (self.directory / "pid").exists()
