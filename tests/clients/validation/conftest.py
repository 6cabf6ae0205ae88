"""The fixtures of the ADBC validation suite, for GenomDB."""

import adbc_driver_flightsql
import pytest
from adbc_drivers_validation.tests.conftest import *  # noqa: F403

from genomdb import QUIRKS


@pytest.fixture(scope="session")
def driver(request):
    wanted = request.param.split(":")[0]
    return next(quirks for quirks in QUIRKS if quirks.name == wanted)


@pytest.fixture(scope="session")
def driver_path():
    return adbc_driver_flightsql._driver_path()
