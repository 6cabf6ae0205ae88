"""Flight SQL through ADBC, as notebooks use it."""

import os
import threading
import time
import unittest
import warnings

import adbc_driver_flightsql.dbapi as flightsql
import adbc_driver_manager
import pyarrow

URI = "grpc://" + os.environ["GENOMDB_ADDRESS"]
READS = 3278


def connect(**options):
    with warnings.catch_warnings():
        # There are no transactions to turn off.
        warnings.simplefilter("ignore")
        return flightsql.connect(URI, db_kwargs={"username": "somebody", "password": "", **options})


class Adbc(unittest.TestCase):
    def setUp(self):
        self.connection = connect()
        self.cursor = self.connection.cursor()

    def tearDown(self):
        self.cursor.close()
        self.connection.close()

    def ask(self, text, parameters=None):
        self.cursor.execute(text, parameters)
        return self.cursor.fetch_arrow_table()

    def test_who_it_is(self):
        info = self.connection.adbc_get_info()
        self.assertEqual(info["vendor_name"], "GenomDB")
        self.assertTrue(info["vendor_version"])

    def test_what_there_is(self):
        self.assertEqual(sorted(self.connection.adbc_get_table_types()), ["TABLE", "VIEW"])
        objects = self.connection.adbc_get_objects(depth="all").read_all().to_pylist()
        self.assertEqual([catalog["catalog_name"] for catalog in objects], ["genomdb"])
        datasets = {it["db_schema_name"]: it["db_schema_tables"] for it in objects[0]["catalog_db_schemas"]}
        tables = {table["table_name"]: table for table in datasets["main"]}
        columns = [column["column_name"] for column in tables["reads"]["table_columns"]]
        self.assertEqual(columns[:3], ["qname", "flag", "chrom"])
        schema = self.connection.adbc_get_table_schema("reads", db_schema_filter="main")
        self.assertEqual(schema.names, columns)
        none = self.connection.adbc_get_objects(depth="tables", table_name_filter="nothing").read_all()
        self.assertEqual(none.to_pylist()[0]["catalog_db_schemas"][0]["db_schema_tables"], [])

    def test_rows_as_arrow_pandas_and_polars(self):
        table = self.ask("SELECT * FROM reads")
        self.assertEqual(table.num_rows, READS)
        self.assertEqual(table.schema.field("chrom").type, pyarrow.string())
        counts = "SELECT chrom, count(*) AS n FROM reads WHERE chrom IS NOT NULL GROUP BY chrom ORDER BY n"
        self.cursor.execute(counts)
        pandas = self.cursor.fetch_df()
        self.assertEqual(list(pandas["n"]), [829, 2249])
        self.cursor.execute(counts)
        polars = self.cursor.fetch_polars()
        self.assertEqual(polars["chrom"].to_list(), ["20", "11"])
        self.cursor.execute(counts)
        self.assertEqual(self.cursor.fetchall(), [("20", 829), ("11", 2249)])

    def test_no_rows_have_columns_all_the_same(self):
        empty = self.ask("SELECT pos, chrom FROM reads WHERE false")
        self.assertEqual((empty.num_rows, empty.schema.names), (0, ["pos", "chrom"]))

    def test_parameters(self):
        count = "SELECT count(*) AS n FROM reads WHERE mapq >= $1 AND chrom = $2"
        self.assertEqual(self.ask(count, (30, "11")).to_pylist(), [{"n": 2145}])
        self.assertEqual(self.ask(count, (30, "none")).to_pylist(), [{"n": 0}])
        types = self.cursor.adbc_prepare(count)
        self.assertEqual(len(types), 2)
        rows = pyarrow.record_batch({"1": [0, 255], "2": ["11", "20"]})
        self.cursor.executemany(count, rows)

    def test_question_marks(self):
        count = "SELECT count(*) AS n FROM reads WHERE chrom = ? AND mapq >= ?"
        self.assertEqual(self.ask(count, ("11", 30)).to_pylist(), [{"n": 2145}])

    def test_a_million_rows_are_put_into_a_table(self):
        rows = 1_000_000
        table = pyarrow.table({
            "n": pyarrow.array(range(rows), pyarrow.int64()),
            "text": pyarrow.array([f"row {n % 1000}" for n in range(rows)]),
        })
        # The driver sends a batch as one message, and none of more than 16 MiB.
        table = pyarrow.Table.from_batches(table.to_batches(max_chunksize=100_000))
        self.assertEqual(self.cursor.adbc_ingest("put", table, mode="create"), rows)
        with self.assertRaises(flightsql.Error):
            self.cursor.adbc_ingest("put", table, mode="create")
        sums = "SELECT count(*) AS n, sum(n) AS sum, count(DISTINCT text) AS texts FROM put"
        self.assertEqual(self.ask(sums).to_pylist(), [{"n": rows, "sum": rows * (rows - 1) // 2, "texts": 1000}])
        few = table.slice(0, 10)
        self.assertEqual(self.cursor.adbc_ingest("put", few, mode="append"), 10)
        self.assertEqual(self.ask("SELECT count(*) AS n FROM put").to_pylist(), [{"n": rows + 10}])
        self.assertEqual(self.cursor.adbc_ingest("put", few, mode="replace"), 10)
        self.assertEqual(self.ask("SELECT * FROM put ORDER BY n").to_pydict(), few.to_pydict())
        self.cursor.execute("DROP TABLE put")

    def test_rows_are_inserted_by_values(self):
        self.cursor.execute("CREATE TABLE few AS SELECT 1 AS n, 'a' AS text WHERE false")
        self.cursor.executemany("INSERT INTO few VALUES (?, ?)", [(1, "one"), (2, None), (None, "none")])
        self.cursor.execute("INSERT INTO few VALUES ($1, upper($2))", (3, "three"))
        found = self.ask("SELECT n, text FROM few ORDER BY n NULLS LAST").to_pylist()
        self.assertEqual([tuple(row.values()) for row in found], [(1, "one"), (2, None), (3, "THREE"), (None, "none")])
        self.cursor.execute("DROP TABLE few")

    def test_columns_without_running(self):
        schema = self.cursor.adbc_execute_schema("SELECT pos, chrom FROM reads")
        self.assertEqual(schema, pyarrow.schema([("pos", pyarrow.int64()), ("chrom", pyarrow.string())]))

    def test_statements_without_rows(self):
        self.cursor.execute("CREATE DATASET of_a_test")
        # Nothing was fetched, and it is done all the same.
        shown = [row["dataset"] for row in self.ask("SHOW DATASETS").to_pylist()]
        self.assertIn("of_a_test", shown)
        self.cursor.executescript("DROP DATASET of_a_test")
        shown = [row["dataset"] for row in self.ask("SHOW DATASETS").to_pylist()]
        self.assertNotIn("of_a_test", shown)

    def test_settings_hold_for_a_connection(self):
        self.cursor.execute("SET genomdb.pushdown = false")
        shown = self.ask("SHOW genomdb.pushdown").to_pylist()
        self.assertEqual(shown[0]["value"], "false")
        with connect() as other, other.cursor() as cursor:
            cursor.execute("SHOW genomdb.pushdown")
            self.assertEqual(cursor.fetchone()[1], "true")
        self.assertEqual(self.connection.adbc_current_catalog, "genomdb")
        self.assertEqual(self.connection.adbc_current_db_schema, "main")
        with self.assertRaises(adbc_driver_manager.Error):
            self.connection.adbc_current_db_schema = "there_is_none"

    def test_errors_say_where(self):
        with self.assertRaisesRegex(flightsql.ProgrammingError, r"unknown column .* \(line 1, column 8\)"):
            self.ask("SELECT nothing FROM reads")
        with self.assertRaisesRegex(flightsql.ProgrammingError, r"expected a statement"):
            self.ask("SELEC 1")
        # In the middle of the rows.
        with self.assertRaisesRegex(flightsql.Error, r"(?i)divi"):
            self.ask("SELECT 1 / (pos - pos) AS x FROM reads WHERE pos IS NOT NULL")

    def test_a_query_is_cancelled(self):
        digits = ", ".join(f"({digit})" for digit in range(10))
        joined = " CROSS JOIN ".join(f"(VALUES {digits}) AS t{place}(d{place})" for place in range(10))
        text = f"SELECT count(*) AS n FROM {joined} WHERE (d0 + d1 + d2) % 7 = 1"
        raised = []

        def run():
            try:
                self.ask(text)
            except flightsql.Error as error:
                raised.append(error)

        running = threading.Thread(target=run)
        running.start()
        with connect() as other, other.cursor() as watching:
            def is_running():
                watching.execute("SHOW QUERIES")
                return any("CROSS JOIN" in row["text"] for row in watching.fetch_arrow_table().to_pylist())

            self.wait_until(is_running)
            self.cursor.adbc_cancel()
            running.join(60)
            self.assertFalse(running.is_alive())
            self.assertEqual(len(raised), 1)
            self.wait_until(lambda: not is_running())

    def wait_until(self, is_so):
        begun = time.monotonic()
        while not is_so():
            self.assertLess(time.monotonic() - begun, 60, "it never came to that")


if __name__ == "__main__":
    unittest.main()
