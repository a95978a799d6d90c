"""The errors of the test cluster."""


class ClusterError(Exception):
    """The cluster, or something asked of it, failed."""


class ProcessEndedError(ClusterError):
    """A process of the cluster ended by itself."""


class CannotRunError(ClusterError):
    """This machine cannot run the cluster; the sentence says what to do."""
