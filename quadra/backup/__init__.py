"""Backups that have been restored: take, keep, verify, restore, point in time, replicas, recover."""

COMMANDS = {
    "backup": "quadra.backup.commands:backup",
    "restore": "quadra.backup.commands:restore_command",
    "recover": "quadra.backup.recover.commands:recover_command",
    "pitr": "quadra.backup.pitr.commands:recover_to",
    "wal": "quadra.backup.pitr.wal_commands:wal",
    "replica": "quadra.backup.replica.commands:replica",
}
"""name -> module:function. The module is imported only when somebody asks for the command."""
