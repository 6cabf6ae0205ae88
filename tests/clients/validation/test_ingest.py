"""The suite's tests of: ingest."""

from adbc_drivers_validation.tests import ingest
from adbc_drivers_validation.tests.ingest import TestIngest  # noqa: F401

from genomdb import QUIRKS


def pytest_generate_tests(metafunc):
    ingest.generate_tests(QUIRKS, metafunc)
