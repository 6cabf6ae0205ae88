"""What the ADBC validation suite must know of GenomDB."""

import re

from adbc_drivers_validation import model


class GenomdbQuirks(model.DriverQuirks):
    name = "genomdb"
    driver = "adbc_driver_flightsql"
    driver_name = "ADBC Flight SQL Driver - Go"
    vendor_name = "GenomDB"
    vendor_version = re.compile(r"\d+\.\d+\.\d+")
    short_version = "0.1"
    features = model.DriverFeatures(
        connection_get_table_schema=True,
        connection_set_current_catalog=False,
        connection_set_current_schema=False,
        connection_transactions=False,
        get_objects=True,
        statement_bind=True,
        statement_bulk_ingest=True,
        statement_bulk_ingest_catalog=False,
        statement_bulk_ingest_schema=True,
        statement_execute_schema=True,
        statement_get_parameter_schema=True,
        statement_prepare=True,
        statement_rows_affected=True,
        current_catalog="genomdb",
        current_schema="main",
        # Made beforehand: CREATE DATASET secondary.
        secondary_schema="secondary",
        supported_xdbc_fields=[],
        # The driver is not the suite's own.
        quirk_foundry=False,
    )
    setup = model.DriverSetup(
        database={
            "uri": model.FromEnv("GENOMDB_ADDRESS", template="grpc://{}"),
            "username": "validation",
            "password": "",
        },
        connection={},
        statement={},
    )

    @property
    def queries_paths(self):
        return ()

    def is_table_not_found(self, table_name, error):
        return "unknown table" in str(error) and (table_name is None or table_name in str(error))

    def quote_one_identifier(self, identifier):
        escaped = identifier.replace('"', '""')
        return f'"{escaped}"'

    def split_statement(self, statement):
        return [create_by_select(part.strip()) for part in statement.split(";") if part.strip()]


def create_by_select(statement):
    """GQL makes a table of rows out of a query: of one that yields none, where columns are listed."""
    listed = re.fullmatch(r"CREATE TABLE (\S+)\s*\((.*)\)", statement, re.DOTALL)
    if not listed:
        return statement
    columns = [column.split(None, 1) for column in re.split(r",(?![^(]*\))", listed[2])]
    nulls = ", ".join(f"CAST(NULL AS {kind.strip()}) AS {name}" for name, kind in columns)
    return f"CREATE TABLE {listed[1]} AS SELECT {nulls} WHERE false"


QUIRKS = [GenomdbQuirks()]
