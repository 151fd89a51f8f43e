"""Registers `tests.integration.prompted`, for the key `imports` of a process of its own."""

from palm.paradigm.base import PARADIGMS
from tests.integration.prompted import NAME, Prompted

PARADIGMS.register(NAME)(Prompted)
