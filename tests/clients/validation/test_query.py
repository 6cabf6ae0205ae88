"""The suite's tests of: query."""

from adbc_drivers_validation.tests import query
from adbc_drivers_validation.tests.query import TestQuery  # noqa: F401

from genomdb import QUIRKS


def pytest_generate_tests(metafunc):
    query.generate_tests(QUIRKS, metafunc)
