"""The job kinds of the field."""

from quadra.field import learning, training

HANDLERS = {**learning.HANDLERS, **training.HANDLERS}
