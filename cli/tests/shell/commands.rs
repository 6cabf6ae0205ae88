//! The commands that begin with `\`, each of them.

use crate::{
    place::{BAM, Place, text_of},
    terminal::{Terminal, ctrl},
};

/// Types a line and waits for what it says.
#[track_caller]
fn check(shell: &Terminal, line: &str, expected: &str) {
    shell.enter(line);
    shell.wait_for(&format!("{line}: {expected}"), |screen| {
        let answer = screen.rsplit_once(&format!("gql> {line}")).map_or("", |(_, answer)| answer);
        answer.contains(expected)
            && answer.trim_end().lines().last().is_some_and(|last| last.trim_end() == "gql>")
    });
}

#[test]
fn lists_and_help() {
    for place in Place::both() {
        let shell = place.tall_shell(&["--quiet"]);
        check(&shell, "\\d", "│ reads │");
        check(&shell, "\\d reads", "│ mapq ");
        check(&shell, "\\dt r*", "│ reads │");
        check(&shell, "\\dt x*", "nothing is called `x*`");
        check(&shell, "\\df *unmapped*", "is_unmapped(flag)");
        check(&shell, "\\l", "│ dataset │");
        check(&shell, "\\h kill", "KILL QUERY 'id'");
        check(&shell, "\\h", "CREATE VIEW");
        let expected = if place.is_server() { "the server http://127.0.0.1" } else { "the data folder" };
        check(&shell, "\\conninfo", expected);
        check(&shell, "\\?", "Ctrl-C ends a query and nothing else");
        check(&shell, "\\dtt", "did you mean \\dt?");
        check(&shell, "\\d nothing", "unknown table `nothing`");
    }
}

#[test]
fn how_results_are_written() {
    for place in Place::both() {
        let shell = place.tall_shell(&["--quiet"]);
        check(&shell, "SELECT 1 AS a, 'x' AS b;", "│ 1 │ x │");
        check(&shell, "\\x", "expanded  on");
        check(&shell, "SELECT 1 AS a, 'x' AS b;", "a │ 1");
        check(&shell, "\\x off", "expanded  off");
        check(&shell, "SELECT 1 AS a, 'x' AS b \\gx", "b │ x");
        check(&shell, "\\format csv", "format    csv");
        check(&shell, "SELECT 1 AS a, 'x' AS b;", "a,b\n1,x");
        check(&shell, "\\format markdown", "markdown");
        check(&shell, "SELECT 1 AS a, 'x' AS b;", "| 1 | x |");
        check(&shell, "\\format json", "json");
        check(&shell, "SELECT 1 AS a;", "[{\"a\":1}]");
        check(&shell, "\\format parquet", "parquet");
        check(&shell, "SELECT 1 AS a;", "parquet is for files");
        check(&shell, "\\format vcf", "no tables of variants");
        check(&shell, "\\pset format table", "format    table");
        check(&shell, "\\pset", "pager     on");
        check(&shell, "\\pset maxrows 2", "maxrows   2");
        check(&shell, "SELECT pos FROM reads ORDER BY qname, flag LIMIT 9;", "… 9 rows, 2 shown");
    }
}

#[test]
fn files_and_variables() {
    for place in Place::both() {
        let shell = place.tall_shell(&["--quiet"]);
        place.write("script.gql", "SELECT 'from a file' AS word;\n\\echo behind it\n");
        check(&shell, "\\i script.gql", "behind it");
        check(&shell, "\\i nothing.gql", "cannot read nothing.gql");
        check(&shell, "\\set table reads", "gql>");
        check(&shell, "\\set word it's", "never closed");
        check(&shell, "\\set word 'it''s'", "gql>");
        check(&shell, "\\set", "word = 'it's'");
        check(&shell, "SELECT :'word' AS w, count(*) AS n FROM :table;", "│ it's │ 3278 │");
        check(&shell, "\\unset word", "gql>");
        check(&shell, "\\unset word", "there is no variable `word`");
        check(&shell, "\\o out.csv", "gql>");
        check(&shell, "SELECT 5 AS five;", "gql>");
        check(&shell, "\\o", "gql>");
        check(&shell, "SELECT 6 AS six;", "│   6 │");
        assert_eq!(text_of(&place.file("out.csv")), "five\n5\n");
        check(&shell, "SELECT 8 AS eight \\g eight.json", "gql>");
        check(&shell, "\\g", "│     8 │");
        assert_eq!(text_of(&place.file("eight.json")).trim(), "[{\"eight\":8}]");
    }
}

#[test]
fn copies() {
    for place in Place::both() {
        let shell = place.tall_shell(&[]);
        check(&shell, "\\copy (SELECT pos FROM reads WHERE pos IS NOT NULL) to pos.csv", "COPY 3");
        let text = text_of(&place.file("pos.csv"));
        assert!(text.starts_with("pos\n") && text.lines().count() > 3_000, "{}", text.lines().count());
        check(&shell, "\\copy reads to reads.parquet", "COPY 3278");
        assert!(std::fs::read(place.file("reads.parquet")).unwrap().starts_with(b"PAR1"));
        check(&shell, "\\copy (SELECT nothing FROM reads) to none.csv", "unknown column");
        for file in ["none.csv", "none.csv.partial"] {
            assert!(!place.file(file).try_exists().unwrap(), "{file}");
        }
        check(&shell, "\\copy reads to some.sam", "COPY 3278");
        std::fs::copy(BAM, place.file("reads.bam")).unwrap();
        check(&shell, "\\copy again from reads.bam", "COPY 3278");
        check(&shell, "SELECT count(*) AS n FROM again;", "│ 3278 │");
    }
}

#[test]
fn again_and_again() {
    for place in Place::both() {
        let shell = place.tall_shell(&["--quiet"]);
        shell.enter("SELECT 3 AS three \\watch 0");
        shell.wait_for("it twice", |screen| screen.matches("│     3 │").count() >= 2);
        shell.press(&ctrl('c'));
        shell.wait_for("a prompt", |screen| screen.trim_end().ends_with("gql>"));
        check(&shell, "\\watch x", "no number of seconds");
        check(&shell, "\\timing on", "Timing is on.");
    }
}

#[test]
fn drawings() {
    for place in Place::both() {
        let shell = place.tall_shell(&["--quiet"]);
        check(&shell, "\\plot histogram", "no result to draw");
        check(&shell, "SELECT mapq FROM reads LIMIT 100 \\plot histogram mapq", "mapq: 100 rows");
        check(&shell, "\\plot histogram mapq mapq.svg", "drawn into mapq.svg");
        assert!(text_of(&place.file("mapq.svg")).starts_with("<svg"));
        check(&shell, "\\plot histogram mapq mapq.png", "drawn into mapq.png");
        assert!(std::fs::read(place.file("mapq.png")).unwrap().starts_with(b"\x89PNG"));
        check(&shell, "\\plot histogram nothing", "no column `nothing`");
        check(&shell, "SELECT chrom, count(*) AS n FROM reads GROUP BY 1 \\plot bars", "█ 2249");
        let track = "SELECT chrom, start, \"end\" FROM reads WHERE chrom = '20' \\plot track";
        check(&shell, track, "depth along start");
    }
}

#[test]
fn a_statement_that_is_not_finished_waits_for_a_command() {
    let place = Place::folder();
    let shell = place.tall_shell(&["--quiet"]);
    shell.enter("SELECT 1 AS one");
    shell.wait_for_text("  ->");
    shell.enter("\\echo between");
    shell.wait_for_text("\nbetween");
    shell.wait_for_typed("gql> SELECT 1 AS one");
    shell.type_text(";");
    shell.press("\r");
    shell.wait_for_prompt_after("│   1 │");
    shell.enter("\\q");
    assert_eq!(shell.end().0, 0);
}
