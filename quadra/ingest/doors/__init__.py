"""Quadra's own doors for events, over HTTP and Socket.IO, and the intake that they share."""
