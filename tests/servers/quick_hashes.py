"""Argon2 with the least work, for every process that imports this: each start of a Quadra hashes a password, and each log-in
checks one. What depends on the work sets the real hasher again; a Quadra that is started cold has it.
"""

from argon2 import PasswordHasher

from quadra.accounts import passwords

QUICK = passwords.hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
