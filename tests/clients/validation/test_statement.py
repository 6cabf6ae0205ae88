"""The suite's tests of: statement."""

from adbc_drivers_validation.tests import statement
from adbc_drivers_validation.tests.statement import TestStatement  # noqa: F401

from genomdb import QUIRKS


def pytest_generate_tests(metafunc):
    statement.generate_tests(QUIRKS, metafunc)
