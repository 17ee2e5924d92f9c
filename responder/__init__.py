"""Responder: Sentry alerts in, verified containment out."""

from importlib.metadata import version

__version__ = version("responder")
