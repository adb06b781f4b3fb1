"""Errors that the command line reports in one line.

DriftlineError
 +-- SettingError       a setting has a value that it does not accept          exit 2
 +-- StackError         a local service could not be started or stopped        exit 1
 +-- ServiceUnavailable Kafka, Redis, Flink or the gRPC server cannot be reached  exit 1
 +-- InputError         a file or an argument's content cannot be used         exit 1
 +-- ModelError         a model cannot be trained, stored or loaded            exit 1
"""


class DriftlineError(Exception):
    """Something went wrong that the user can act on; the message says what and how."""

    exit_code = 1


class SettingError(DriftlineError):
    """A setting has a value that it does not accept."""

    exit_code = 2


class StackError(DriftlineError):
    """A local service could not be started or stopped."""


class ServiceUnavailable(DriftlineError):  # noqa: N818  (the field's word for it)
    """Kafka, Redis, Flink or the gRPC server cannot be reached."""


class InputError(DriftlineError):
    """A file's or an argument's content cannot be used."""


class ModelError(DriftlineError):
    """A model cannot be trained, stored or loaded."""
