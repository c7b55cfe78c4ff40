"""Cluster: recorded sources on the machines of a Ray cluster, whole or in pieces."""

from poseline.cluster.cluster import Cluster

__all__ = ["Cluster"]
