//! Where settings come from, and which are refused.

use std::fs;

use crate::process::{Node, command, genomdb, parts};

/// Fails with code 2 and a message that has all these words.
#[track_caller]
fn check_refused(arguments: &[&str], words: &[&str]) {
    let (code, out, err) = genomdb(&[&["serve"], arguments].concat());
    assert_eq!((code, out.as_str()), (2, ""), "{err}");
    for word in words {
        assert!(err.contains(word), "{word}: {err}");
    }
}

#[test]
fn an_address_that_others_can_reach_is_told_twice() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("a");
    let data = data.to_str().unwrap();
    check_refused(
        &["--data", data, "--listen", "0.0.0.0:0"],
        &["`0.0.0.0:0` is not a loopback address", "no authentication", "--insecure"],
    );
    check_refused(&["--data", data, "--listen", "0.0.0.0:0", "--insecure"], &["--advertise"]);
    check_refused(&["--data", data, "--listen", "nowhere"], &["cannot listen at `nowhere`"]);
    assert!(!folder.path().join("a").try_exists().unwrap(), "what is refused leaves nothing");
    let more = ["--listen", "0.0.0.0:0", "--insecure", "--advertise", "127.0.0.1:1"];
    assert_eq!(Node::start(&folder.path().join("a"), &more).stop(), 0);
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("genomdb.yaml");
    let (in_file, in_flag) = (folder.path().join("in-file"), folder.path().join("in-flag"));
    let text = format!("data: {}\nnode_id: 3\nlabels: {{zone: a}}\nlisten: 127.0.0.1:0\n", in_file.display());
    fs::write(&file, text).unwrap();
    let config = ["--config", file.to_str().unwrap()];
    let refused = |more: &[&str], environment: &[(&str, &str)]| {
        // A label that is none shows which settings were taken up to there, without starting anything.
        let arguments = [&["serve", "--label", "none"], &config[..], more].concat();
        let mut serve = command(&arguments);
        let (code, _, err) = parts(serve.envs(environment.iter().copied()).output().unwrap());
        assert_eq!(code, 2, "{err}");
        err
    };
    assert!(refused(&[], &[]).contains("label `none`"));
    assert!(refused(&[], &[("GENOMDB_LISTEN", "env")]).contains("`env`"));
    assert!(refused(&["--listen", "flag"], &[("GENOMDB_LISTEN", "env")]).contains("`flag`"));
    assert!(refused(&[], &[("GENOMDB_LISTEN", "")]).contains("label `none`"), "empty is as good as none");
    // The node of the file, and the folder of the flag.
    let more = ["--config", file.to_str().unwrap()];
    let node = Node::start(&in_flag, &more);
    assert!(node.first_line.starts_with("node 3 of cluster "), "{}", node.first_line);
    assert_eq!(node.stop(), 0);
    assert!(in_flag.try_exists().unwrap() && !in_file.try_exists().unwrap());
}

#[test]
fn what_a_file_cannot_say_is_named_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("genomdb.yaml");
    let path = file.to_str().unwrap();
    for (text, words) in [
        ("listen: 127.0.0.1:0\nlisten_at: x\n", &["unknown field `listen_at`", "line 2"][..]),
        ("placement:\n  domains: [zone]\n  zone: x\n", &["placement", "unknown field `zone`", "line 3"]),
        ("node_id: one\n", &["node_id", "line 1"]),
        ("replicas: 2\n", &["replicas: 2", "3"]),
        ("node_id: 0\n", &["begin with 1"]),
        ("storage: {cache_bytes: 1}\n", &["cache_bytes", "1 MiB"]),
    ] {
        fs::write(&file, text).unwrap();
        let data = folder.path().join("data");
        let words = words.iter().chain(text.contains("unknown").then_some(&path));
        check_refused(
            &["--data", data.to_str().unwrap(), "--config", path],
            &words.copied().collect::<Vec<_>>(),
        );
    }
    fs::write(&file, "# nothing is set\n").unwrap();
    assert_eq!(Node::start(&folder.path().join("data"), &["--config", path]).stop(), 0);
    check_refused(&["--config", "/no/such/file"], &["cannot read `/no/such/file`"]);
}
