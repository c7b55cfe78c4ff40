"""Runtimes: the only modules that import an engine, each on its first use."""

from poseline.inference.runtimes.base import Request, Runtime
from poseline.inference.runtimes.scripted import ScriptedRuntime

__all__ = ["Request", "Runtime", "ScriptedRuntime"]
