//! Typing: lines, history, completion.

use crate::{
    place::{Place, text_of},
    terminal::{BACKSPACE, CTRL_END, ENTER, ESCAPE, TAB, UP, ctrl},
};

#[test]
fn a_statement_may_have_many_lines_and_is_remembered() {
    let place = Place::folder();
    let shell = place.shell(&[]);
    shell.enter("SELECT 1 AS a,");
    shell.wait_for_text("  ->");
    // A `;` in a string, a comment or a bracket that is open ends nothing.
    shell.enter("  ';' AS b, -- not yet;");
    shell.enter("  (2");
    shell.enter("  ) AS c;");
    let screen = shell.wait_for_prompt_after("(1 row)");
    assert!(screen.contains("│ 1 │ ; │ 2 │"), "{screen}");
    assert!(screen.contains(" ms"), "{screen}");
    // Back into it, with a change at its end.
    shell.press(UP);
    shell.wait_for("the statement again", |screen| screen.matches(") AS c;").count() == 2);
    shell.press(CTRL_END);
    shell.wait_for_typed(") AS c;");
    shell.press(BACKSPACE);
    shell.type_text(", 3 AS d;");
    shell.press(ENTER);
    shell.wait_for_prompt_after("│ 1 │ ; │ 2 │ 3 │");
    shell.press(&ctrl('d'));
    assert_eq!(shell.end().0, 0);
    assert!(text_of(&place.file(".local/state/genomdb/history")).contains("AS d;"));
}

#[test]
fn history_is_searched_and_hinted_from() {
    let place = Place::folder();
    let shell = place.shell(&[]);
    shell.enter("SELECT 42 AS answer;");
    shell.wait_for_prompt_after("│     42 │");
    shell.enter("SELECT 1 AS other;");
    shell.wait_for_prompt_after("│     1 │");
    // What was typed before stands behind what is typed.
    shell.press("SELECT 4");
    shell.wait_for("a hint", |screen| screen.matches("SELECT 42 AS answer;").count() == 2);
    shell.press(&ctrl('u'));
    shell.press(&ctrl('r'));
    shell.wait_for_text("(history: )");
    shell.press("answ");
    shell.wait_for_text("(history: answ)");
    shell.press(ENTER);
    shell.wait_for("the statement found", |screen| screen.trim_end().ends_with("gql> SELECT 42 AS answer;"));
    shell.press(ENTER);
    shell.wait_for("the answer again", |screen| screen.matches("│     42 │").count() == 2);
    drop(shell);
    // Another shell remembers.
    let shell = place.shell(&[]);
    shell.press(UP);
    shell.wait_for_text("SELECT 42 AS answer;");
}

#[test]
fn tab_completes_what_can_stand_there() {
    for place in Place::both() {
        let shell = place.shell(&[]);
        place.write("a_script.gql", "SELECT 1;");
        let completes = |typed: &str, expected: &str| {
            shell.type_text(typed);
            shell.press(TAB);
            shell.wait_for_text(expected);
            // The menu goes, and so does the line.
            shell.press(&ctrl('c'));
            shell.wait_for("an empty line", |screen| {
                let last = screen.trim_end().lines().last().unwrap_or_default();
                last.trim_end() == "gql>"
            });
        };
        completes("SEL", "gql> SELECT");
        completes("sel", "gql> select");
        completes("SELECT count(*) FROM rea", "FROM reads");
        completes("SELECT 1 FROM reads WHERE map", "WHERE mapq");
        completes("SELECT r.templ FROM reads r WHERE r.tl", "WHERE r.tlen");
        completes("SELECT is_unm", "SELECT is_unmapped(");
        completes("SELECT 1 FROM reads WHERE interval INTERSECTS 'hs37", "'hs37d5");
        completes("SET query.max_mem", "SET query.max_memory");
        completes("\\tim", "\\timing");
        completes("\\i a_scr", "\\i a_script.gql");
        // Several: a menu.
        shell.type_text("SELECT mate FROM reads WHERE mate_");
        shell.press(TAB);
        shell.wait_for("a menu", |screen| {
            ["mate_chrom", "mate_start", "mate_pos"].iter().all(|name| screen.contains(name))
        });
    }
}

#[test]
fn an_editor_of_ones_own() {
    let place = Place::folder();
    let editor = place.write("editor.sh", "#!/bin/sh\nsed -i 's/one/two/' \"$1\"\n");
    place.write("half.gql", "SELECT 'one' AS half");
    let command = format!("sh {}", editor.display());
    let shell = place.shell_with(&[("EDITOR", &command)], &[]);
    shell.enter("SELECT 'one' AS word;");
    shell.wait_for_prompt_after("│ one  │");
    shell.enter("\\e");
    shell.wait_for_prompt_after("│ two  │");
    // What is not finished waits at the prompt.
    shell.enter("\\e half.gql");
    shell.wait_for_typed("gql> SELECT 'two' AS half");
    shell.type_text(";");
    shell.press(ENTER);
    shell.wait_for_prompt_after("│ half │");
}

#[test]
fn vi_mode_and_no_colours_by_the_file_of_settings() {
    let place = Place::folder();
    place.write(
        ".config/genomdb/gql.toml",
        "edit_mode = 'vi'\nformat = 'csv'\ntiming = false\ncolor = false\n",
    );
    let shell = place.shell(&[]);
    shell.type_text("SELECT 1 AS a");
    shell.press(ESCAPE);
    shell.wait_for_text("gql: SELECT 1 AS a");
    // To the beginning, and the first word is another; at the end goes on the statement.
    shell.press("A");
    shell.wait_for_text("gql> SELECT 1 AS a");
    shell.type_text("b;");
    shell.press(ENTER);
    let screen = shell.wait_for_prompt_after("ab\n1\n");
    assert!(!screen.contains(" ms"), "{screen}");
}
