//! Queries at the prompt: their errors, their end by Ctrl-C, and results that are taller than the screen.

use std::time::{Duration, Instant};

use crate::{
    place::{Place, text_of},
    terminal::ctrl,
};

/// It would run for days.
const ENDLESS: &str = "SELECT count(*) FROM reads a, reads b, reads c WHERE a.pos < b.pos + c.pos;";

#[test]
fn an_error_points_and_the_prompt_stays() {
    for place in Place::both() {
        let shell = place.shell(&[]);
        shell.enter("SELECT mapp FROM reads;");
        let screen = shell.wait_for_prompt_after("did you mean `mapq`?");
        assert!(
            screen.contains("--> line 1, column 8") && screen.contains("  |        ^^^^ did"),
            "{screen}"
        );
        shell.enter("SELECT FROM;");
        shell.wait_for_prompt_after("line 1, column 8");
        shell.enter("SELECT 7 AS seven;");
        shell.wait_for_prompt_after("│     7 │");
    }
}

#[test]
fn ctrl_c_ends_the_query_and_keeps_the_shell() {
    for place in Place::both() {
        let shell = place.shell(&[]);
        shell.enter(ENDLESS);
        let screen = shell.wait_for_text("Ctrl-C cancels");
        assert!(screen.contains(" rows, "), "{screen}");
        if let Some(node) = place.node() {
            assert_eq!(node.queries().list().len(), 1);
        }
        shell.press(&ctrl('c'));
        let screen = shell.wait_for_prompt_after("interrupted");
        assert!(!screen.contains("Ctrl-C cancels"), "the line of progress is gone: {screen}");
        if let Some(node) = place.node() {
            let began = Instant::now();
            while !node.queries().list().is_empty() {
                assert!(began.elapsed() < Duration::from_secs(30), "it runs on: {:?}", node.queries().list());
                std::thread::yield_now();
            }
        }
        // A line that is being typed goes, too, and nothing else.
        shell.type_text("SELECT nothing");
        shell.press(&ctrl('c'));
        shell.wait_for("an empty line", |screen| screen.trim_end().ends_with("gql>"));
        shell.enter("SELECT 7 AS seven;");
        shell.wait_for_prompt_after("│     7 │");
    }
}

#[test]
fn what_is_taller_than_the_screen_goes_through_the_pager() {
    let place = Place::folder();
    let paged = place.file("paged");
    let pager = format!("cat > {}; echo a pager was here", paged.display());
    let shell = place.shell_with(&[("PAGER", &pager)], &[]);
    shell.enter("SELECT qname, pos FROM reads ORDER BY qname, flag LIMIT 10;");
    let screen = shell.wait_for_prompt_after("(10 rows)");
    assert!(!screen.contains("a pager was here"), "it fits: {screen}");
    shell.enter("SELECT qname, pos FROM reads ORDER BY qname, flag LIMIT 1000;");
    shell.wait_for_prompt_after("a pager was here");
    let text = text_of(&paged);
    assert_eq!(
        text.lines().count(),
        46,
        "40 rows, the box, what is left out, and how many there are: {text}"
    );
    assert!(text.ends_with("… 1000 rows, 40 shown; \\pset maxrows 0 shows all\n"), "{text}");
    std::fs::remove_file(&paged).unwrap();
    shell.enter("\\pset maxrows 0");
    shell.wait_for_prompt_after("maxrows   0 (all)");
    shell.enter("SELECT qname, pos FROM reads ORDER BY qname, flag LIMIT 999;");
    shell.wait_for("the pager again", |screen| screen.matches("a pager was here").count() == 2);
    assert_eq!(text_of(&paged).lines().count(), 999 + 3);
    shell.enter("\\pset pager off");
    shell.wait_for_prompt_after("pager     off");
    shell.enter("SELECT qname, pos FROM reads ORDER BY qname, flag LIMIT 998;");
    shell.wait_for_prompt_after("(998 rows)");
}

#[test]
fn wide_rows_fit_the_screen() {
    let place = Place::folder();
    let shell = place.shell(&["--quiet"]);
    shell.enter("SELECT * FROM reads ORDER BY qname, flag LIMIT 1;");
    let screen = shell.wait_for_prompt_after("(1 row)");
    let is_box = |line: &str| line.starts_with(['┌', '│', '├', '└']);
    assert!(screen.lines().filter(|line| is_box(line)).count() == 5, "{screen}");
    shell.enter("\\x auto");
    shell.enter("SELECT * FROM reads ORDER BY qname, flag LIMIT 1;");
    shell.wait_for_prompt_after("source     │ NA12878");
}

#[test]
fn nobody_to_ask() {
    let place = Place::nowhere();
    let (code, screen) = place.shell_of((24, 100), &[], &[]).end();
    assert!(code == 3 && screen.contains("cannot reach http://127.0.0.1"), "{code}: {screen}");
}
