//! The examples of the documentation, run as they stand there.

use std::process::Command;

use super::{Served, repository};

/// Pages whose examples are run.
const PAGES: [&str; 2] = ["docs/http.md", "docs/kv.md"];
/// Where the examples say that the server is.
const ADDRESS: &str = "127.0.0.1:7480";

/// The commands of a page that call the server, each with the lines that it goes on over.
fn examples(page: &str) -> Vec<String> {
    let mut examples: Vec<String> = Vec::new();
    let (mut inside, mut open) = (false, false);
    for line in page.lines() {
        if line.starts_with("```") {
            (inside, open) = (line == "```sh", false);
        } else if inside && line.starts_with("curl ") {
            examples.push(line.to_owned());
            open = true;
        } else if open && line.starts_with(' ') {
            if let Some(last) = examples.last_mut() {
                last.push('\n');
                last.push_str(line);
            }
        } else {
            open = false;
        }
    }
    examples
}

#[test]
fn examples_of_the_documentation() {
    if Command::new("curl").arg("--version").output().is_err() {
        println!("skipped: the examples need curl");
        return;
    }
    let served = Served::start();
    let folder = tempfile::tempdir().unwrap();
    let bam = repository().join("examples/data/NA12878.chr11_chr20.bam");
    std::fs::copy(bam, folder.path().join("NA12878.bam")).unwrap();
    std::fs::write(folder.path().join("value.bin"), [0, 255, 10]).unwrap();
    let mut run = 0;
    for page in PAGES {
        let text = std::fs::read_to_string(repository().join(page)).unwrap();
        // Names of queries are examples themselves.
        for example in examples(&text).iter().filter(|example| !example.contains("0123456789abcdef")) {
            let command = example.replace(ADDRESS, &served.address);
            let command = command.replacen("curl ", "curl -sS --fail-with-body ", 1);
            let output = Command::new("sh").arg("-c").arg(&command).current_dir(&folder).output().unwrap();
            let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
            assert!(
                output.status.success(),
                "{page}: {example}\n{}{}",
                text(&output.stdout),
                text(&output.stderr)
            );
            run += 1;
        }
    }
    assert!(run >= 20, "only {run} examples were found");
    let formats = [("reads.arrow", &b"\xFF\xFF\xFF\xFF"[..]), ("reads.parquet", b"PAR1")];
    for (file, magic) in formats {
        let bytes = std::fs::read(folder.path().join(file)).unwrap();
        assert!(bytes.starts_with(magic), "{file}: {:?}", bytes.get(..8));
    }
}
