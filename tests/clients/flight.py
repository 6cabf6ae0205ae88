"""Flight alone, without its SQL: tables are flights, and a text is a command."""

import os
import unittest

from pyarrow import flight

URI = "grpc://" + os.environ["GENOMDB_ADDRESS"]
READS = 3278


class Flight(unittest.TestCase):
    def setUp(self):
        self.client = flight.connect(URI)

    def tearDown(self):
        self.client.close()

    def get(self, descriptor, options=None):
        info = self.client.get_flight_info(descriptor, options)
        [endpoint] = info.endpoints
        table = self.client.do_get(endpoint.ticket, options).read_all()
        self.assertEqual(table.schema, info.schema)
        return table

    def test_tables_are_flights(self):
        found = {tuple(info.descriptor.path): info for info in self.client.list_flights()}
        info = found[(b"main", b"reads")]
        table = self.client.do_get(info.endpoints[0].ticket).read_all()
        self.assertEqual((table.num_rows, table.schema), (READS, info.schema))
        self.assertEqual(self.get(flight.FlightDescriptor.for_path("main", "reads")).num_rows, READS)

    def test_a_text_is_a_command(self):
        text = "SELECT chrom, count(*) AS n FROM reads WHERE chrom IS NOT NULL GROUP BY chrom ORDER BY n"
        counts = self.get(flight.FlightDescriptor.for_command(text))
        self.assertEqual(counts.to_pydict(), {"chrom": ["20", "11"], "n": [829, 2249]})
        schema = self.client.get_schema(flight.FlightDescriptor.for_command(text)).schema
        self.assertEqual(schema, counts.schema)

    def test_a_token_keeps_settings(self):
        token = self.client.authenticate_basic_token("somebody", "")
        options = flight.FlightCallOptions(headers=[token])
        self.get(flight.FlightDescriptor.for_command("SET genomdb.pushdown = false"), options)
        shown = flight.FlightDescriptor.for_command("SHOW genomdb.pushdown")
        self.assertEqual(self.get(shown, options)["value"].to_pylist(), ["false"])
        self.assertEqual(self.get(shown)["value"].to_pylist(), ["true"])

    def test_errors_have_a_kind(self):
        with self.assertRaisesRegex(Exception, "line 1, column 8"):
            self.get(flight.FlightDescriptor.for_command("SELECT nothing FROM reads"))
        with self.assertRaises(flight.FlightUnauthorizedError):
            self.get(flight.FlightDescriptor.for_command("COPY reads FROM '/etc/passwd'"))
        actions = {action.type for action in self.client.list_actions()}
        self.assertIn("CancelFlightInfo", actions)


if __name__ == "__main__":
    unittest.main()
