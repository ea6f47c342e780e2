"""The list of commands: each line leads to a command, and what is not asked for is not imported."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest

from quadra.cli import COMMANDS, quadra


@pytest.mark.parametrize("name", COMMANDS)
def test_each_line_leads_to_the_command_of_that_name(name: str) -> None:
    command = quadra.get_command(click.Context(quadra), name)
    assert isinstance(command, click.Command)
    assert command.name == name
    assert command.get_short_help_str()


def test_the_version_is_told_without_importing_a_room() -> None:
    code = "import sys, quadra.cli; print([m for m in sys.modules if m.startswith(('quadra.', 'flask', 'sqlalchemy'))])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "quadra.cli" in done.stdout
    assert not {"flask", "sqlalchemy", "quadra.core.settings"} & set(
        done.stdout.strip("[]\n").replace("'", "").split(", ")
    )
