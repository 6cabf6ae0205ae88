"""The suite's tests of: connection."""

from adbc_drivers_validation.tests import connection
from adbc_drivers_validation.tests.connection import TestConnection  # noqa: F401

from genomdb import QUIRKS


def pytest_generate_tests(metafunc):
    connection.generate_tests(QUIRKS, metafunc)
