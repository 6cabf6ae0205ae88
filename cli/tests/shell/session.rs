//! The session in docs/shell.md is one that happens so, line by line.

use crate::place::Place;

/// The lines between the marks in the document.
fn recorded() -> Vec<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/shell.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (_, rest) = text.split_once("```text\ngql> ").expect("a session in docs/shell.md");
    let (session, _) = rest.split_once("```").expect("its end");
    format!("gql> {session}").lines().map(str::to_owned).collect()
}

#[test]
fn the_recorded_session_happens_so() {
    let session = recorded();
    for place in Place::both() {
        // Taller than the session, so that all of it is on the screen in the end.
        let rows = u16::try_from(session.len() + 5).unwrap();
        let shell = place.shell_of((rows, 100), &[], &["--quiet", "--no-color"]);
        shell.wait_for_prompt_after("gql>");
        for (index, line) in session.iter().enumerate() {
            let typed = line.strip_prefix("gql> ").or_else(|| line.strip_prefix("  -> "));
            let Some(typed) = typed else { continue };
            shell.enter(typed);
            let following = &session[index + 1..];
            let goes_on = following.first().is_some_and(|next| next.starts_with("  -> "));
            let prompts = session[..=index].iter().filter(|line| line.starts_with("gql> ")).count();
            shell.wait_for(&format!("an end of `{typed}`"), |screen| {
                let lines: Vec<&str> = screen.trim_end().lines().map(str::trim_end).collect();
                match goes_on {
                    true => lines.last().is_some_and(|last| *last == "  ->"),
                    false => {
                        lines.iter().filter(|line| line.starts_with("gql>")).count() == prompts + 1
                            && lines.last() == Some(&"gql>")
                    }
                }
            });
        }
        let screen = shell.wait_for_text("gql>");
        let shown: Vec<&str> = screen.lines().map(str::trim_end).collect();
        let shown = shown.strip_suffix(&[""]).unwrap_or(&shown);
        let expected: Vec<&str> = session.iter().map(String::as_str).chain(["gql>"]).collect();
        assert_eq!(shown.join("\n").trim_end(), expected.join("\n"), "docs/shell.md says otherwise");
    }
}
