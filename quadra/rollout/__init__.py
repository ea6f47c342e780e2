"""Deployments, looked at from outside over HTTP: a judge must not share the illness of what it judges."""
